/** Every scheduler there is, by the name ipvsadm knows it by. */

import type { SchedulerFactory } from '../service/scheduler.ts'
import { dh } from './dh.ts'
import { fo } from './fo.ts'
import { lblc } from './lblc.ts'
import { lblcr } from './lblcr.ts'
import { lc } from './lc.ts'
import { mh } from './mh.ts'
import { nq } from './nq.ts'
import { ovf } from './ovf.ts'
import { rr } from './rr.ts'
import { sed } from './sed.ts'
import { sh } from './sh.ts'
import { twos } from './twos.ts'
import { wlc } from './wlc.ts'
import { wrr } from './wrr.ts'

export const SCHEDULERS = {
  rr,
  wrr,
  lc,
  wlc,
  lblc,
  lblcr,
  dh,
  sh,
  mh,
  sed,
  nq,
  fo,
  ovf,
  twos,
} satisfies Record<string, SchedulerFactory>
