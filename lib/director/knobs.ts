/** The settings of IPVS, as the kernel has them under `net.ipv4.vs`: the same names, ranges and defaults. */

export interface KnobRange {
  /** Beyond them a write is refused; without them any 32-bit number is taken. */
  readonly min?: number
  readonly max?: number
}

export interface KnobRow extends KnobRange {
  readonly initial: number
}

/** Those that change what the library does. A number that means yes or no is no where it is 0. */
export const KNOBS = {
  /** One packet in so many is dropped while `drop_packet` is 3. */
  am_droprate: { initial: 10 },
  /** Free pages below which memory counts as short. */
  amemthresh: { initial: 1024 },
  /** Packets for a firewall-mark service that has no destination go on to where they are addressed. */
  cache_bypass: { initial: 0 },
  /** A packet that starts a connection on the endpoints of a closing one is scheduled anew; bit 2: in FIN_WAIT too. */
  conn_reuse_mode: { initial: 1 },
  /** 0 off; 1 and 2 when memory is short; 3 always. Idle and half-open connections are dropped at random. */
  drop_entry: { initial: 0, min: 0, max: 3 },
  /** The same for packets that would start a connection. */
  drop_packet: { initial: 0, min: 0, max: 3 },
  /** Connections to a removed destination end, instead of waiting for its return. */
  expire_nodest_conn: { initial: 0 },
  /** A template that leads to a quiesced destination is not followed. */
  expire_quiescent_template: { initial: 0 },
  /** Seconds that an entry of lblc or lblcr may stay unused. */
  lblc_expiration: { initial: 86_400, min: 0 },
  lblcr_expiration: { initial: 86_400, min: 0 },
  /** A masqueraded server that answers for no connection is told so by ICMP. */
  nat_icmp_send: { initial: 0 },
  /** Tunnels keep the inner packet's don't-fragment, and refuse what does not fit. */
  pmtu_disc: { initial: 1 },
  /** The statistics' snapshots are taken. */
  run_estimation: { initial: 1 },
  /** ICMP errors about unknown connections are scheduled by the packet they quote. */
  schedule_icmp: { initial: 0 },
  /** As `drop_entry`, for the stricter TCP states. */
  secure_tcp: { initial: 0, min: 0, max: 3 },
  /** Any packet may start a connection, not only SYN (INIT). */
  sloppy_tcp: { initial: 0 },
  sloppy_sctp: { initial: 0 },
} as const satisfies Record<string, KnobRow>

export type KnobName = keyof typeof KNOBS
export type Knobs = Record<KnobName, number>

export const defaultKnobs = (): Knobs =>
  Object.fromEntries(Object.entries(KNOBS).map(([name, { initial }]) => [name, initial])) as Knobs

/** What is wrong with the value for the knob, naming both; null when nothing is. */
export const knobFlaw = (name: KnobName, value: number): string | null => rangeFlaw(name, rowOf(name), value)

/** The knob's row of the table. */
export const rowOf = (name: KnobName): KnobRow => KNOBS[name]

/** As {@link knobFlaw}, for a knob of whatever range. */
export function rangeFlaw(name: string, range: KnobRange, value: unknown): string | null {
  const { min, max } = boundsOf(range)
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return null
  return `${name} is a whole number from ${min} to ${max}, not ${value}`
}

/** The least and the most that a knob may hold. */
export const boundsOf = ({ min = -0x8000_0000, max = 0x7fff_ffff }: KnobRange): Required<KnobRange> => ({
  min,
  max,
})
