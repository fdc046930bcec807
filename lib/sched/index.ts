/** Every scheduler there is, by the name ipvsadm knows it by. */

import type { SchedulerFactory } from '../service/scheduler.ts'
import { lc } from './lc.ts'
import { rr } from './rr.ts'
import { sh } from './sh.ts'
import { wlc } from './wlc.ts'
import { wrr } from './wrr.ts'

export const SCHEDULERS = { rr, wrr, lc, wlc, sh } satisfies Record<string, SchedulerFactory>
