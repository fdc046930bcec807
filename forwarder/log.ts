/** The daemon's log: one JSON object a line, on standard error. */

import { type Logger, pino } from 'pino'

export const openLog = (level: string): Logger =>
  pino({ name: 'uipvs', level }, pino.destination({ fd: 2, sync: true }))
