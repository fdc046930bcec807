/** Names for numbers and back: hosts, and the services of /etc/services. */

import { lookup, Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { type IpAddress, parseAddress } from '../lib/bytes/address.ts'
import type { Transport } from '../lib/service/key.ts'

/** What the command line needs to know about names; a test hands in its own. */
export interface Names {
  /** The IPv4 address of a host, or null. */
  addressOf(host: string): Promise<IpAddress | null>
  /** The port of a service by its name or alias, or null. */
  portOf(service: string, transport: Transport): Promise<number | null>
  /** The names of services by `port/transport`. */
  services(): Promise<ReadonlyMap<string, string>>
  /** The host name of each address that has one. */
  hosts(addresses: ReadonlySet<string>): Promise<ReadonlyMap<string, string>>
}

/** How listings show addresses and ports. */
export interface Labels {
  host(address: string): string
  /** A null transport is one that names no ports. */
  port(port: number, transport: Transport | null): string
}

export const NUMERIC: Labels = {
  host: (address) => address,
  port: (port) => String(port),
}

/** Labels that know the names of `addresses` and of the system's services; what has no name stays a number. */
export async function namedLabels(names: Names, addresses: ReadonlySet<string>): Promise<Labels> {
  const [hosts, services] = await Promise.all([names.hosts(addresses), names.services()])
  return {
    host: (address) => hosts.get(address) ?? address,
    port: (port, transport) => services.get(`${port}/${transport}`) ?? String(port),
  }
}

/** The labels of a listing: names, unless it is to be numeric. */
export const labelsFor = async (
  names: Names,
  addresses: ReadonlySet<string>,
  { numeric }: { readonly numeric: boolean },
): Promise<Labels> => (numeric ? NUMERIC : namedLabels(names, addresses))

/** How long a listing waits for DNS in all, how long for one answer, and how many questions are open at once. */
export const DNS_TOTAL_MS = 5000
const DNS_ANSWER_MS = 2000
const DNS_QUESTIONS = 16

/** Asks for one address's name: a list, best first, or a rejection when it has none. */
export interface ReverseDns {
  reverse(address: string): Promise<string[]>
  cancel(): void
}

export interface NameSources {
  readonly hostsFile: string
  readonly servicesFile: string
  readonly dns: ReverseDns
  readonly totalMs: number
}

/** The names of this machine: its files first, then DNS. */
export function systemNames(overrides: Partial<NameSources> = {}): Names {
  const sources: NameSources = {
    hostsFile: '/etc/hosts',
    servicesFile: '/etc/services',
    dns: new Resolver({ timeout: DNS_ANSWER_MS, tries: 1 }),
    totalMs: DNS_TOTAL_MS,
    ...overrides,
  }
  const table = once(async () => parseServices(await textOf(sources.servicesFile)))
  return {
    addressOf,
    portOf: async (service, transport) => (await table()).ports.get(`${service}/${transport}`) ?? null,
    services: async () => (await table()).names,
    async hosts(addresses) {
      const known = parseHosts(await textOf(sources.hostsFile))
      const found = new Map<string, string>()
      const unknown: string[] = []
      for (const address of addresses) {
        const name = known.get(address)
        if (name === undefined) unknown.push(address)
        else found.set(address, name)
      }
      await askDns(unknown, found, sources)
      return found
    },
  }
}

async function addressOf(host: string): Promise<IpAddress | null> {
  // Nothing else can be a host's name, and the resolver would throw at some of it.
  if (!/^[\w.-]{1,255}$/.test(host)) return null
  try {
    return parseAddress((await lookup(host, { family: 4 })).address)
  } catch (error) {
    // The resolver's failures carry a code, and all of them mean that there is no such address to be had.
    if (error instanceof Error && 'code' in error) return null
    throw error
  }
}

/** Asks DNS for the names of `addresses` and adds them to `found`; whatever is not known in time is left out. */
async function askDns(
  addresses: readonly string[],
  found: Map<string, string>,
  { dns, totalMs }: NameSources,
): Promise<void> {
  const waiting = addresses[Symbol.iterator]()
  let isLate = false
  const deadline = setTimeout(() => {
    isLate = true
    dns.cancel()
  }, totalMs)
  const ask = async () => {
    for (const address of waiting) {
      if (isLate) return
      const [name] = await dns.reverse(address).catch((): string[] => [])
      if (name !== undefined) found.set(address, name)
    }
  }
  await Promise.all(Array.from({ length: DNS_QUESTIONS }, ask))
  clearTimeout(deadline)
}

/** hosts(5): the first name given for each address, the address in canonical text. */
export function parseHosts(text: string): Map<string, string> {
  const names = new Map<string, string>()
  for (const [first, name] of fieldsOf(text)) {
    const address = first === undefined ? undefined : parseAddress(first)?.toString()
    if (address !== undefined && name !== undefined && !names.has(address)) names.set(address, name)
  }
  return names
}

/** services(5): `port/transport` to name, and `name/transport` to port, where aliases are names too. */
export function parseServices(text: string): { names: Map<string, string>; ports: Map<string, number> } {
  const names = new Map<string, string>()
  const ports = new Map<string, number>()
  for (const [name, portAndTransport, ...aliases] of fieldsOf(text)) {
    const parts = /^(\d{1,5})\/(\w+)$/.exec(portAndTransport ?? '')
    if (name === undefined || parts === null || Number(parts[1]) > 65_535) continue
    const port = Number(parts[1])
    const key = `${port}/${parts[2]}`
    if (!names.has(key)) names.set(key, name)
    for (const each of [name, ...aliases])
      if (!ports.has(`${each}/${parts[2]}`)) ports.set(`${each}/${parts[2]}`, port)
  }
  return { names, ports }
}

const fieldsOf = (text: string): string[][] =>
  text.split('\n').map((line) => (line.split('#', 1)[0] as string).trim().split(/\s+/))

/** The file's text; a file that is not there has none. */
async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
