/** How much memory is free, in the measure by which IPVS's defences judge it. */

import { readFileSync } from 'node:fs'

const PAGE_KIB = 4

/** Free pages and pages of buffers, as of now. */
export function availablePages(): number {
  return pagesOf('MemFree', 'Buffers')
}

/** All the pages that the machine has. */
export const totalPages = (): number => pagesOf('MemTotal')

function pagesOf(...names: readonly string[]): number {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0)
  return Math.floor(names.reduce((sum, name) => sum + kib(name), 0) / PAGE_KIB)
}
