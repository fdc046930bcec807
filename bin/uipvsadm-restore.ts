#!/usr/bin/env node
/** uipvsadm-restore: ipvsadm-restore's command line for a running uipvs. */

import { uipvsadmRestore } from '../cli/wrappers.ts'
import { processIo } from './process-io.ts'

process.exitCode = await uipvsadmRestore(process.argv.slice(2), processIo())
