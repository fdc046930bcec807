/** A configuration in a file, for `uipvs plan` and `uipvs apply`: as ipvsadm saves it, or as JSON. */

import type { WantedConfiguration } from '../../control/configuration.ts'
import type { Names } from '../names.ts'
import { readJsonConfiguration } from './json.ts'
import { readSavedConfiguration } from './saved.ts'

export interface WantedFile {
  readonly configuration: WantedConfiguration
  /** The line of what a path of the API's leads to, `['services', 2, 'port']`; of the nearest thing around it, at least. */
  lineOf(path: readonly (string | number)[]): number
}

/** What is wrong with the file, and on which line. */
export interface FileFlaw {
  readonly line: number
  readonly message: string
}

export const isFlaw = (outcome: WantedFile | FileFlaw): outcome is FileFlaw => 'message' in outcome

/** Reads the text of a file: JSON where it begins as an object does, lines as ipvsadm saves them otherwise. */
export const readConfiguration = (text: string, names: Names): Promise<WantedFile | FileFlaw> =>
  /^\s*\{/.test(text) ? Promise.resolve(readJsonConfiguration(text)) : readSavedConfiguration(text, names)
