/** The stream of changes: server-sent events, one queue a reader, bounded in every direction. */

import type { ServerResponse } from 'node:http'
import type { ChangeEvent } from '../../control/configuration.ts'
import type { Ledger } from '../ledger.ts'
import { RequestError } from './request-error.ts'

export interface StreamLimits {
  /** How many may listen at a time. */
  readonly readers: number
  /** Events that may wait for one reader, who is cut when there is one more. */
  readonly waiting: number
  /** How often something is sent, if only a comment, so that either side knows that the other is there. */
  readonly beatMs: number
  /** Beats in which a reader may take nothing at all. */
  readonly missedBeats: number
  /** How long what has been sent to a reader who is cut may take. */
  readonly farewellMs: number
}

const LIMITS: StreamLimits = {
  readers: 16,
  waiting: 100_000,
  beatMs: 10_000,
  missedBeats: 3,
  farewellMs: 10_000,
}

export class EventStreams {
  readonly #ledger: Pick<Ledger, 'feed' | 'revision'>
  readonly #limits: StreamLimits
  readonly #readers = new Set<Reader>()

  constructor(ledger: Pick<Ledger, 'feed' | 'revision'>, limits: Partial<StreamLimits> = {}) {
    this.#ledger = ledger
    this.#limits = { ...LIMITS, ...limits }
  }

  /** Sends changes by `response` until either side hangs up. Throws {@link RequestError} when too many listen already. */
  open(response: ServerResponse): void {
    const { readers } = this.#limits
    if (this.#readers.size >= readers)
      throw new RequestError('too-many-listeners', `${readers} are listening to the changes already`)
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      connection: 'close',
    })
    const reader = new Reader(response, this.#limits)
    this.#readers.add(reader)
    const stopListening = this.#ledger.feed.listen((revision, changes) => {
      for (const change of changes) reader.push({ kind: 'change', revision, change })
    })
    const beating = setInterval(() => reader.beat(), this.#limits.beatMs)
    response.on('close', () => {
      clearInterval(beating)
      stopListening()
      this.#readers.delete(reader)
    })
    reader.push({ kind: 'in-force', revision: this.#ledger.revision })
  }
}

/** One listener: what waits for it, and whether it still takes anything. */
class Reader {
  readonly #response: ServerResponse
  readonly #limits: StreamLimits
  #waiting: ChangeEvent[] = []
  #missedBeats = 0
  #isCut = false

  constructor(response: ServerResponse, limits: StreamLimits) {
    this.#response = response
    this.#limits = limits
    response.on('drain', () => {
      this.#missedBeats = 0
      this.#flush()
    })
  }

  push(event: ChangeEvent): void {
    if (this.#isCut) return
    if (this.#waiting.length >= this.#limits.waiting) this.#cut(`${this.#waiting.length} events were waiting`)
    else {
      this.#waiting.push(event)
      this.#flush()
    }
  }

  beat(): void {
    if (this.#isCut) return
    if (!this.#response.writableNeedDrain) this.#response.write(':\n\n')
    else if (++this.#missedBeats >= this.#limits.missedBeats) {
      this.#cut(`nothing was read for ${(this.#missedBeats * this.#limits.beatMs) / 1000} seconds`)
    }
  }

  /** Sends what waits, for as long as the reader keeps up. */
  #flush(): void {
    let sent = 0
    while (sent < this.#waiting.length && !this.#response.writableNeedDrain) {
      this.#response.write(format(this.#waiting[sent] as ChangeEvent))
      sent++
    }
    this.#waiting = sent === this.#waiting.length ? [] : this.#waiting.slice(sent)
  }

  /** Says why, drops what waits, and hangs up. */
  #cut(reason: string): void {
    this.#isCut = true
    this.#waiting = []
    const message = `too slow a reader: ${reason}; read the configuration and listen again`
    this.#response.end(format({ kind: 'cut', message }))
    this.#response.socket?.setTimeout(this.#limits.farewellMs)
  }
}

/** The event's name is its kind, its id the revision. */
function format(event: ChangeEvent): string {
  const id = 'revision' in event ? `id: ${event.revision}\n` : ''
  return `event: ${event.kind}\n${id}data: ${JSON.stringify(event)}\n\n`
}
