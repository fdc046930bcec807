/** A thread that measures one of the library's rows, the one numbered by its data, and posts the figure. */

import { parentPort, workerData } from 'node:worker_threads'
import { LIBRARY_ROWS, type LibraryRow, measureRow } from './library.ts'

parentPort?.postMessage(measureRow(LIBRARY_ROWS[workerData as number] as LibraryRow))
