/**
 * The control API of a daemon without a kernel: the real server, ledger, engine and director, on a socket of its own;
 * host and routes are stand-ins that agree to everything until a test says otherwise. Its configuration file says nothing.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ControlClient } from '../../control/client.ts'
import { Administration } from '../../forwarder/administration.ts'
import { DaemonConfig } from '../../forwarder/config.ts'
import { createHttpServer, type HttpLimits } from '../../forwarder/control/http.ts'
import { Dataplane } from '../../forwarder/dataplane/dataplane.ts'
import { Engine } from '../../forwarder/dataplane/engine.ts'
import type { AnswerTo, Request, Way } from '../../forwarder/dataplane/messages.ts'
import type { Egress } from '../../forwarder/egress/egress.ts'
import type { PacketSink } from '../../forwarder/egress/raw.ts'
import type { WantedState } from '../../forwarder/host/host.ts'
import { Ledger } from '../../forwarder/ledger.ts'
import { Life } from '../../forwarder/life/life.ts'
import { Director } from '../../lib/director/director.ts'
import type { Refusal } from '../../lib/service/refusal.ts'

const ARRANGEMENT = {
  superQueue: 10,
  plainQueue: 11,
  routesByMark: true,
  markMask: 0xff,
  markOf: (slot: number) => slot,
}

export interface LiveApi {
  readonly director: Director
  readonly ledger: Ledger
  readonly client: ControlClient
  readonly socketPath: string
  /** Asks the data path, behind the ledger's back. */
  ask(request: Request): Promise<unknown>
  /** What the host was brought to agree with, and the data path was asked, one after the other. */
  readonly agreed: readonly WantedState[]
  readonly asked: readonly Request[]
  /** Errors that the server logged. */
  readonly logged: readonly unknown[]
  /** For a test to change: what the host fails with, and where real servers are reached. */
  readonly world: { hostFailure: Error | null; wayTo: (address: string) => Way | null }
  /** How many clients are connected. */
  connections(): Promise<number>
  stop(): Promise<void>
}

/** Starts to listen; limits may be set lower than a daemon's. */
export async function startLiveApi(limits: Partial<HttpLimits> = {}): Promise<LiveApi> {
  const directory = await mkdtemp(join(tmpdir(), 'uipvs-live-'))
  await writeFile(join(directory, 'config.json'), '{}')
  const director = new Director({ nowMs: 0, random: () => 0.5, connectionLimit: 1024 })
  const dataplane = new Dataplane(director, {
    egress: IDLE_EGRESS,
    sink: IDLE_SINK,
    markMask: ARRANGEMENT.markMask,
    now: () => 0,
  })
  const engine = new Engine(dataplane, [], () => 0)
  const agreed: WantedState[] = []
  const asked: Request[] = []
  const logged: unknown[] = []
  const world: LiveApi['world'] = {
    hostFailure: null,
    wayTo: () => ({ sourceAddress: '192.168.1.254', mtuBytes: 1500, hop: null }),
  }
  const host = {
    ask: <R extends Request>(request: R) => {
      asked.push(request)
      // As between threads: what is handed over is a copy.
      const answer = engine.answer(structuredClone(request))
      return Promise.resolve(structuredClone(answer) as AnswerTo<R['kind']> | Refusal)
    },
    stop: () => Promise.resolve(),
    failed: new Promise<never>(() => {}),
  }
  const ledger = await Ledger.of({
    dataplane: host,
    host: {
      agree: async (wanted) => {
        if (world.hostFailure !== null) throw world.hostFailure
        agreed.push(wanted)
      },
    },
    ways: { to: (address) => world.wayTo(address), isBroadcast: () => false },
    arrangement: ARRANGEMENT,
  })
  const life = new Life({
    configPath: join(directory, 'config.json'),
    config: DaemonConfig.parse({}),
    ledger,
    replace: (wanted) => ledger.replace(wanted),
    log: { level: 'info', info: () => {}, warn: () => {}, error: () => {} },
    notifier: { reloading: () => {}, ready: () => {} },
    report: () => ({ host: [], services: [] }),
  })
  const administration = new Administration({ dataplane: host, ledger, life, version: '0.0.0' })
  const server = createHttpServer(administration, { error: (what: unknown) => logged.push(what) }, limits)
  const socketPath = join(directory, 'control.sock')
  await listening(server, socketPath)
  return {
    director,
    ledger,
    client: new ControlClient(socketPath),
    socketPath,
    ask: (request) => host.ask(request),
    agreed,
    asked,
    logged,
    world,
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      }),
    async stop() {
      server.close()
      server.closeAllConnections()
      await rm(directory, { recursive: true })
    },
  }
}

const listening = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })

const noPacket = (): never => {
  throw new Error('no packet leaves here')
}

const IDLE_EGRESS: Egress = {
  name: 'frame',
  kernelForwards: false,
  markOf: () => 0,
  transmit: noPacket,
  flush: () => {},
  counters: { sent: 0, noNeighbour: 0, failed: 0 },
  close: () => {},
}

const IDLE_SINK: PacketSink = {
  send: noPacket,
  sendMarked: noPacket,
  flush: () => {},
  counters: { sent: 0, tooLong: 0, noRoute: 0, congested: 0, failed: 0 },
  close: () => {},
}
