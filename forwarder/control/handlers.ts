/** What answers each request of the table in `control/requests.ts`, the body being validated by then. */

import type { AnswerOf, BodyOf, REQUESTS, RequestName } from '../../control/requests.ts'
import type { DestinationKey, ServiceKey } from '../../lib/service/key.ts'
import type { Administration } from '../administration.ts'

export interface Asked<N extends RequestName> {
  readonly administration: Administration
  readonly body: BodyOf<N>
  /** Of a conditional request: the revisions it may be made at; undefined for any. */
  readonly ifRevision: readonly string[] | undefined
  /** The path's service and real server; asking for one that the path lacks is a mistake of the row's. */
  readonly service: ServiceKey
  readonly endpoint: DestinationKey
}

/** An answer that goes with a revision. */
export interface Revised<T> {
  readonly revision: string
  readonly answer: T
}

/** Requests that are answered by a stream are the server's own business. */
export type AnsweredName = Exclude<RequestName, StreamName>
type StreamName = {
  [N in RequestName]: (typeof REQUESTS)[N] extends { stream: unknown } ? N : never
}[RequestName]

type Result<N extends RequestName> = (typeof REQUESTS)[N] extends { revised: true }
  ? Revised<AnswerOf<N>>
  : AnswerOf<N>

type Handlers = {
  readonly [N in AnsweredName]: (asked: Asked<N>) => Readonly<Result<N>> | Promise<Readonly<Result<N>>>
}

export const HANDLERS: Handlers = {
  services: async ({ administration }) => ({ services: [...(await administration.services())] }),
  addService: ({ administration, body }) => administration.addService(body),
  flush: async ({ administration }) => void (await administration.flush()),
  service: ({ administration, service }) => administration.service(service),
  editService: ({ administration, service, body }) => administration.editService(service, body),
  deleteService: async ({ administration, service }) => void (await administration.removeService(service)),
  zeroService: async ({ administration, service }) => void (await administration.zero(service)),
  addDestination: ({ administration, service, body }) => administration.addDestination(service, body),
  editDestination: ({ administration, service, endpoint, body }) =>
    administration.editDestination(service, endpoint, body),
  deleteDestination: async ({ administration, service, endpoint }) =>
    void (await administration.removeDestination(service, endpoint)),
  zeroAll: async ({ administration }) => void (await administration.zero(null)),
  connections: async ({ administration }) => ({ connections: [...(await administration.connections())] }),
  timeouts: ({ administration }) => administration.ledger.configuration.timeouts,
  setTimeouts: ({ administration, body }) => administration.setTimeouts(body),
  knobs: ({ administration }) => administration.knobs(),
  setKnobs: ({ administration, body }) => administration.setKnobs(body),
  configuration: ({ administration: { ledger } }) => ({
    revision: ledger.revision,
    answer: ledger.configuration,
  }),
  replaceConfiguration: async ({ administration, body, ifRevision }) => {
    const answer = await administration.replace(body, ifRevision)
    return { revision: answer.revision, answer }
  },
  reload: ({ administration }) => administration.life.reload(),
  logSettings: ({ administration }) => administration.life.logSettings,
  setLogSettings: ({ administration, body }) => {
    administration.life.logSettings = body
    return administration.life.logSettings
  },
  report: ({ administration }) => administration.life.report(),
  info: ({ administration }) => administration.info(),
  document: ({ administration }) => administration.document,
}
