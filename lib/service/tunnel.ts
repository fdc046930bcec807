/** What the tunnel to a destination looks like, where its forwarding method is a tunnel; stored with any method. */

export type TunnelType = 'ipip' | 'gue' | 'gre'

/**
 * `full`: over the tunnel's own header and the packet. `remote`: the same, and a transport checksum that is not finished
 * yet is left to the far end; GUE only. Where a type has no such checksum, `none` is what happens.
 */
export type TunnelChecksum = 'none' | 'full' | 'remote'

export interface TunnelSettings {
  readonly type: TunnelType
  /** GUE's UDP destination port, which it must have; 0 with the others. */
  readonly port: number
  readonly checksum: TunnelChecksum
  /** Ours alone: the segment size that a SYN announces is lowered to what fits through the tunnel. */
  readonly clampsMss?: boolean
}

export const DEFAULT_TUNNEL: TunnelSettings = { type: 'ipip', port: 0, checksum: 'none' }
