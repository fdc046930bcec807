#!/usr/bin/env node
/** uipvsadm-save: ipvsadm-save's command line for a running uipvs. */

import { uipvsadmSave } from '../cli/wrappers.ts'
import { processIo } from './process-io.ts'

process.exitCode = await uipvsadmSave(process.argv.slice(2), processIo())
