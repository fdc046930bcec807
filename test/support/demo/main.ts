/** Runs the demonstration as a program; see `demo.ts`. */

import { demo } from './demo.ts'

try {
  process.exitCode = await demo(process.argv.slice(2))
} catch (error) {
  console.error(`demo: ${(error as Error).message}`)
  process.exitCode = 1
}
