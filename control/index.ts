/** The control API for programs: its shapes, and a client for the socket of a running `uipvs`. */

export * from './client.ts'
export * from './configuration.ts'
export * from './control.ts'
export * from './difference.ts'
export * from './errors.ts'
export * from './identity.ts'
export * from './knobs.ts'
export * from './life.ts'
export * from './openapi.ts'
export * from './requests.ts'
export * from './schema.ts'
