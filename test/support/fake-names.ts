/** Names for tests of the command line: one host and a handful of services, no DNS. */

import type { Names } from '../../cli/names.ts'
import { parseServices } from '../../cli/names.ts'
import { IpAddress } from '../../lib/bytes/address.ts'

const TABLE = parseServices(`
http        80/tcp   www
iso-tsap    102/tcp  tsap
acr-nema    104/tcp
https       443/tcp
domain      53/tcp
domain      53/udp
http-alt    8080/tcp webcache
`)

/** Knows `localhost`, both ways, and the hosts given by address. */
export const fakeNames = (hosts: Readonly<Record<string, string>> = {}): Names => ({
  addressOf: async (host) => (host === 'localhost' ? new IpAddress(4, 0x7f000001) : null),
  portOf: async (service, transport) => TABLE.ports.get(`${service}/${transport}`) ?? null,
  services: async () => TABLE.names,
  hosts: async (addresses) => {
    const known = new Map(Object.entries({ '127.0.0.1': 'localhost', ...hosts }))
    return new Map([...known].filter(([address]) => addresses.has(address)))
  },
})
