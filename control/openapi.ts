/** The OpenAPI 3.1 document of the control API, made from the table of requests and the shapes that they name. */

import * as z from 'zod'
import {
  Change,
  ChangeEvent,
  Configuration,
  ConfiguredService,
  Replacement,
  WantedConfiguration,
} from './configuration.ts'
import { ERRORS } from './errors.ts'
import { BODY_LIMIT_BYTES, errorsOf, REQUESTS, type RequestRow, statusOf } from './requests.ts'
import {
  Connection,
  Counters,
  Destination,
  DestinationConfig,
  DestinationSettings,
  ErrorBody,
  Info,
  KnobChanges,
  Knobs,
  Rates,
  Service,
  ServiceConfig,
  ServiceSettings,
  Timeouts,
  TunnelSettings,
} from './schema.ts'

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
interface JsonObject {
  readonly [key: string]: Json
}

/** The shapes that have a place of their own under `components`. What a request may leave out is in one of its own. */
const NAMED = {
  Service,
  ServiceConfig,
  ServiceSettings,
  Destination,
  DestinationConfig,
  DestinationSettings,
  TunnelSettings,
  Counters,
  Rates,
  Connection,
  Timeouts,
  Knobs,
  KnobChanges,
  Configuration,
  WantedConfiguration,
  ConfiguredService,
  Change,
  ChangeEvent,
  Replacement,
  Info,
  ErrorBody,
} as const satisfies Record<string, z.ZodType>

type Direction = 'input' | 'output'

/** The document for this version of uipvs. */
export function openApiDocument(version: string): { openapi: string } & Record<string, Json> {
  const shapes = new Shapes()
  const paths: Record<string, Record<string, Json>> = {}
  for (const [name, row] of Object.entries(REQUESTS)) {
    paths[row.path] ??= { parameters: parametersOf(row.path) }
    Object.assign(paths[row.path] as object, { [row.method.toLowerCase()]: operationOf(name, row, shapes) })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'uipvs control API',
      version,
      description:
        'HTTP with JSON on the Unix socket of a running uipvs, /run/uipvs/control.sock unless told otherwise, which only root may open.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: 'http://uipvs', description: 'The host is not looked at.' }],
    paths,
    components: { schemas: shapes.all },
  }
}

function operationOf(operationId: string, row: RequestRow, shapes: Shapes): JsonObject {
  const limitBytes = row.bodyLimitBytes ?? BODY_LIMIT_BYTES
  return {
    operationId,
    summary: row.summary,
    ...(row.conditional ? { parameters: [IF_MATCH] } : {}),
    ...(row.body === undefined
      ? {}
      : {
          requestBody: {
            description: `At most ${limitBytes} bytes.`,
            required: true,
            content: { 'application/json': { schema: shapes.of(row.body, 'input') } },
          },
        }),
    responses: { [statusOf(row)]: successOf(row, shapes), ...failuresOf(row, shapes) },
  }
}

function successOf(row: RequestRow, shapes: Shapes): JsonObject {
  const headers = row.revised ? { headers: { ETag: ETAG } } : {}
  if (row.stream !== undefined) {
    const schema = shapes.of(row.stream, 'output')
    const description = 'Server-sent events; each carries this as its data, its kind as its name.'
    return { description, content: { 'text/event-stream': { schema } } }
  }
  if (row.answer === undefined) return { description: 'Done.', ...headers }
  const schema = shapes.of(row.answer, 'output')
  return { description: 'Done.', ...headers, content: { 'application/json': { schema } } }
}

/** One response a status; its description lists the codes that come with it. */
function failuresOf(row: RequestRow, shapes: Shapes): JsonObject {
  const codes = new Map<number, string[]>()
  for (const code of errorsOf(row)) {
    const { status } = ERRORS[code]
    codes.set(status, [...(codes.get(status) ?? []), code])
  }
  const content = { 'application/json': { schema: shapes.of(ErrorBody, 'output') } }
  return Object.fromEntries(
    [...codes].map(([status, names]) => [status, { description: `Codes: ${names.join(', ')}.`, content }]),
  )
}

const IF_MATCH: JsonObject = {
  name: 'If-Match',
  in: 'header',
  required: true,
  description: 'The ETag of the configuration that this replaces; * for any.',
  schema: { type: 'string' },
}
const ETAG: JsonObject = {
  description: 'The revision of the configuration, quoted: another one after every change, however made.',
  schema: { type: 'string' },
}

const PARAMETERS: Readonly<Record<string, string>> = {
  service: 'tcp:10.0.0.1:80, udp:[fd00::1]:53, fwmark:5 or fwmark:5:ipv6',
  endpoint: '192.168.1.1:80 or [fd01::1]:80',
}

function parametersOf(path: string): JsonObject[] {
  return Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: PARAMETERS[name] as string,
    schema: { type: 'string' },
  }))
}

/** JSON Schemas of shapes, where named ones are references to components, which are gathered on the way. */
class Shapes {
  readonly #names = new Map<z.core.$ZodType, string>(
    Object.entries(NAMED).map(([name, shape]) => [shape, name]),
  )
  readonly #components = new Map<string, JsonObject>()

  /** Every component that was referred to, by name. */
  get all(): JsonObject {
    return Object.fromEntries([...this.#components].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  of(shape: z.core.$ZodType, direction: Direction): JsonObject {
    const name = this.#names.get(shape)
    return name === undefined ? this.#spelledOut(shape, direction) : this.#reference(shape, name, direction)
  }

  #reference(shape: z.core.$ZodType, name: string, direction: Direction): JsonObject {
    const isSameBothWays = JSON.stringify(plain(shape, 'input')) === JSON.stringify(plain(shape, 'output'))
    const component = direction === 'output' || isSameBothWays ? name : `${name}Input`
    if (!this.#components.has(component)) {
      this.#components.set(component, {}) // it may refer to itself
      this.#components.set(component, this.#spelledOut(shape, direction))
    }
    return { $ref: `#/components/schemas/${component}` }
  }

  #spelledOut(shape: z.core.$ZodType, direction: Direction): JsonObject {
    const { $schema, ...schema } = z.toJSONSchema(shape, {
      io: direction,
      reused: 'inline',
      override: ({ zodSchema, jsonSchema, path }) => {
        const name = path.length === 0 ? undefined : this.#names.get(zodSchema)
        if (name === undefined) return
        for (const key of Object.keys(jsonSchema)) delete jsonSchema[key]
        Object.assign(jsonSchema, this.#reference(zodSchema, name, direction))
      },
    }) as Record<string, Json>
    return schema
  }
}

const plain = (shape: z.core.$ZodType, io: Direction): unknown =>
  z.toJSONSchema(shape, { io, reused: 'inline' })
