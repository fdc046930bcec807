/** Connections out of a key space so small that endpoints are used again and chains form. */

import fc from 'fast-check'
import type { ConnectionSpec } from '../../test/support/connections.ts'

/** Two clients with two ports each, two services, two servers, either transport, family and kind of method. */
export const crowdedConnection = (): fc.Arbitrary<ConnectionSpec> =>
  fc
    .record({
      family: fc.constantFrom(4, 6),
      transport: fc.constantFrom('tcp' as const, 'udp' as const),
      method: fc.constantFrom('masquerading' as const, 'gatewaying' as const),
      client: fc.constantFrom(1, 2),
      clientPort: fc.constantFrom(3000, 3001),
      virtualPort: fc.constantFrom(80, 81),
      server: fc.constantFrom(1, 2),
    })
    .map(({ family, transport, method, client, clientPort, virtualPort, server }) => ({
      transport,
      method,
      client: `${family === 4 ? `10.9.0.${client}` : `[fd09::${client}]`}:${clientPort}`,
      virtual: `${family === 4 ? '10.0.0.1' : '[fd00::1]'}:${virtualPort}`,
      destination: `${family === 4 ? `192.168.1.${server}` : `[fd01::${server}]`}:8080`,
    }))
