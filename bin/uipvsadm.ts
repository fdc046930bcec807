#!/usr/bin/env node
/** uipvsadm: ipvsadm's command line for a running uipvs. */

import { uipvsadm } from '../cli/run.ts'
import { processIo } from './process-io.ts'

// Not process.exit: what was written may still be on its way.
process.exitCode = await uipvsadm(process.argv.slice(2), processIo())
