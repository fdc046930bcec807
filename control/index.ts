/** The control API for programs: its shapes, and a client for the socket of a running `uipvs`. */

export * from './client.ts'
export * from './control.ts'
export * from './identity.ts'
export * from './schema.ts'
