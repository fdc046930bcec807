/** What the tunnel to a server looks like: as `--tun-info` lists it, and as the options that make it. */

import type { Destination } from '../control/index.ts'
import { TUNNEL_TYPES, type TunnelRow } from './grammar.ts'

const CHECKSUMS = {
  none: { info: '-c', option: '--tun-nocsum' },
  full: { info: '+c', option: '--tun-csum' },
  remote: { info: 'r+c', option: '--tun-remcsum' },
} as const

/** `gue:6080:+c`, `gre:-c`, `ipip`; `n/a` for servers that no tunnel leads to. */
export function tunnelInfo({ method, tunnel }: Destination): string {
  if (method !== 'ipip') return 'n/a'
  const { hasPort, hasChecksum } = partsOf(tunnel)
  const port = hasPort ? `:${tunnel.port}` : ''
  return `${tunnel.type}${port}${hasChecksum ? `:${CHECKSUMS[tunnel.checksum].info}` : ''}`
}

/** ` --tun-type gue --tun-port 6080 --tun-csum`, with a blank before it; nothing without a tunnel. */
export function tunnelOptions({ method, tunnel }: Destination): string {
  if (method !== 'ipip') return ''
  const { hasPort, hasChecksum } = partsOf(tunnel)
  const port = hasPort ? ` --tun-port ${tunnel.port}` : ''
  return ` --tun-type ${tunnel.type}${port}${hasChecksum ? ` ${CHECKSUMS[tunnel.checksum].option}` : ''}`
}

function partsOf({ type }: Destination['tunnel']): { hasPort: boolean; hasChecksum: boolean } {
  const row: TunnelRow = TUNNEL_TYPES[type]
  return { hasPort: row.needs?.includes('tun-port') === true, hasChecksum: row.oneOf !== undefined }
}
