/** Everything that uipvs changes on its host, as one thing that is opened, brought in line, and closed. */

import type { Family } from '../../lib/bytes/address.ts'
import { formatServiceKey, serviceFamily } from '../../lib/service/key.ts'
import { applyRouting } from './iproute.ts'
import { Journal } from './journal.ts'
import { Netfilter } from './netfilter.ts'
import { identifyThisProcess } from './process-identity.ts'
import { ROUTING_RANGE, type RoutedHop } from './routing.ts'
import { planRules, type RedirectedService, type RuleOptions } from './rules.ts'
import { SysctlKeeper, type SysctlNeeds, type SysctlRecord } from './sysctls.ts'
import { abandonedJournal, type RepairOutcome, repair, undo } from './undo.ts'

export interface HostOptions {
  /** Where the undo journal is kept: beside the control socket, one for each daemon. */
  readonly journalPath: string
  readonly rules?: Partial<Omit<RuleOptions, 'notrack'>>
  /** Take over what a dead daemon left, instead of undoing it: packets go on to its queues, where they wait for ours. */
  readonly adopts?: boolean
  /** Told about settings that would be good to have and could not be set, as in containers. */
  readonly warn?: (message: string) => void
}

/** What the virtual services need of the host; the whole of it, every time. */
export interface WantedState {
  readonly services: readonly RedirectedService[]
  /** Hops of gatewaying destinations that leave by mark and policy routing. */
  readonly hops: readonly RoutedHop[]
  readonly sysctls: SysctlNeeds
}

export const NOTHING_WANTED: WantedState = {
  services: [],
  hops: [],
  sysctls: { forwarding: [], noRedirects: false, tunnelIngress: [] },
}

export class Host {
  /** What {@link Host.open} found of an earlier daemon. */
  readonly repaired: RepairOutcome
  readonly netfilter: Netfilter
  readonly #journal: Journal
  readonly #sysctls: SysctlKeeper
  readonly #rules: HostOptions['rules']
  #inForce: WantedState = NOTHING_WANTED
  /** Calls take their turns: each waits for the end of the one before, however that ended. */
  #turn: Promise<unknown> = Promise.resolve()
  #isClosed = false

  private constructor(
    parts: { repaired: RepairOutcome; netfilter: Netfilter; journal: Journal; sysctls: SysctlKeeper },
    rules: HostOptions['rules'],
  ) {
    this.repaired = parts.repaired
    this.netfilter = parts.netfilter
    this.#journal = parts.journal
    this.#sysctls = parts.sysctls
    this.#rules = rules
  }

  /**
   * Repairs what a killed daemon left, and finds out what works here. Nothing is changed yet: chains and
   * settings come with the first service that needs them.
   * @throws when another daemon holds the journal, or when no iptables works at all
   */
  static async open({
    journalPath,
    rules,
    adopts = false,
    warn = () => undefined,
  }: HostOptions): Promise<Host> {
    const abandoned = adopts ? abandonedJournal(journalPath) : null
    let repaired: RepairOutcome = abandoned === null ? await repair(journalPath) : 'adopted'
    let journal = abandoned ?? Journal.create(journalPath)
    try {
      const netfilter = await Netfilter.probe((family, record) => {
        journal.update({
          netfilter: { ...journal.content.netfilter, [family === 4 ? 'ipv4' : 'ipv6']: record },
        })
      })
      if (netfilter.variant(4) === null && netfilter.variant(6) === null)
        throw new Error(`no iptables works here: ${netfilter.whyNot(4)}; ${netfilter.whyNot(6)}`)
      if (abandoned !== null && !(await adoptChains(netfilter, abandoned))) {
        await undo(abandoned)
        repaired = 'repaired'
        journal = Journal.create(journalPath)
      }
      journal.update({ owner: identifyThisProcess() })
      const save = (records: readonly SysctlRecord[]) => journal.update({ sysctls: records })
      const sysctls = new SysctlKeeper(save, { warn, held: journal.content.sysctls })
      return new Host({ repaired, netfilter, journal, sysctls }, rules)
    } catch (error) {
      // What was adopted is still to be undone, by whoever comes next.
      if (repaired !== 'adopted') journal.discard()
      throw error
    }
  }

  /**
   * Makes the kernel agree with `wanted`. Queues must be bound before their rules are in force: packets for a
   * queue that nobody listens to are dropped.
   * @throws with the state before this call in force again; a service that cannot be redirected is named
   */
  agree(wanted: WantedState): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) throw new Error('the host was closed: nothing can be changed any more')
      this.#refuseUnsupported(wanted.services)
      try {
        await this.#enact(wanted)
      } catch (error) {
        try {
          await this.#enact(this.#inForce)
        } catch (second) {
          const reason = `${(error as Error).message}; and the state before could not be put back: ${(second as Error).message}`
          throw new AggregateError([error, second], reason)
        }
        throw error
      }
      this.#inForce = wanted
    })
  }

  /** Undoes everything; queues may be closed after this. Calling it again tries again what failed. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed && Journal.read(this.#journal.path) === null) return
      this.#isClosed = true
      await undo(this.#journal)
    })
  }

  /**
   * The chains come first: they are refused where another uipvs is at work, before anything of its is touched.
   * Ways are there before packets are sent on them, and are taken away after the last could have come.
   */
  async #enact(wanted: WantedState): Promise<void> {
    for (const family of [4, 6] as const) {
      if (servedIn(family, wanted.services) !== undefined) await this.netfilter.install(family)
    }
    const leaving = hopsLeaving(this.#inForce.hops, wanted.hops)
    this.#sysctls.require(wanted.sysctls)
    await this.#route([...wanted.hops, ...leaving])
    await this.netfilter.apply(planRules(wanted.services, this.#ruleOptions))
    if (leaving.length > 0) await this.#route(wanted.hops)
    this.#sysctls.release(wanted.sysctls)
  }

  /** A daemon that never had a hop does not look at the routing at all. */
  async #route(hops: readonly RoutedHop[]): Promise<void> {
    if (hops.length === 0 && this.#journal.content.routing === null) return
    await applyRouting(hops, {
      record: () => {
        if (this.#journal.content.routing === null) this.#journal.update({ routing: { ...ROUTING_RANGE } })
      },
    })
  }

  #refuseUnsupported(services: readonly RedirectedService[]): void {
    for (const family of [4, 6] satisfies Family[]) {
      const refused = servedIn(family, services)
      if (refused === undefined || this.netfilter.variant(family) !== null) continue
      const why = this.netfilter.whyNot(family)
      throw new Error(
        `${formatServiceKey(refused.key)} cannot be redirected: no iptables works for IPv${family} here (${why})`,
      )
    }
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work, work)
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** What was asked for, as far as this kernel's netfilter goes. */
  get #ruleOptions(): Partial<RuleOptions> {
    const { notrack, fragments } = this.netfilter
    return { ...this.#rules, notrack, laterFragments: fragments && this.#rules?.laterFragments === true }
  }
}

/** Takes over the chains that a dead daemon left; false where they are not what we would install. */
async function adoptChains(netfilter: Netfilter, { content }: Journal): Promise<boolean> {
  const { ipv4, ipv6 } = content.netfilter
  const outcomes = [
    ipv4 === null || (await netfilter.adopt(4, ipv4)),
    ipv6 === null || (await netfilter.adopt(6, ipv6)),
  ]
  return outcomes.every(Boolean)
}

/** A service of the family, if there is one. */
const servedIn = (family: Family, services: readonly RedirectedService[]): RedirectedService | undefined =>
  services.find((service) => serviceFamily(service.key) === family)

/** The hops that are no longer wanted and that no wanted hop has taken the place of. */
function hopsLeaving(before: readonly RoutedHop[], after: readonly RoutedHop[]): readonly RoutedHop[] {
  const slots = new Set(after.map(({ hop }) => hop.slot))
  const marks = new Set(after.map(({ mark }) => mark))
  return before.filter(({ hop, mark }) => !slots.has(hop.slot) && !marks.has(mark))
}
