const BEFORE_FIRST = -1

/**
 * Weighted round robin as IPVS describes it, one threshold after the other, in its own letters: `cl` was chosen last,
 * `cw` is the threshold, `mw` its highest value, `di` the step. It is what lib/sched/wrr.ts takes short cuts through.
 */
export class ClassicWrr<Member extends { readonly weight: number; readonly isOverloaded: boolean }> {
  private readonly pool: readonly Member[]
  private cl = BEFORE_FIRST
  private di = 1
  private mw = 0
  private cw = 0

  /** @param pool the live one */
  constructor(pool: readonly Member[]) {
    this.pool = pool
    this.measure()
    this.cw = this.mw
  }

  poolChanged(): void {
    this.cl = BEFORE_FIRST
    this.measure()
    if (this.cw > this.mw || this.cw === 0) this.cw = this.mw
    else if (this.di > 1) this.cw = Math.floor(this.cw / this.di) * this.di + 1
  }

  pick(): Member | null {
    const { pool } = this
    if (this.mw === 0) return null
    const last = this.cl
    let stop = BEFORE_FIRST
    let lastPass = false
    let restarted = false
    let position = this.cl
    for (;;) {
      for (let index = position + 1; index < pool.length; index++) {
        const destination = pool[index]!
        if (!destination.isOverloaded && destination.weight >= this.cw) {
          this.cl = index
          return destination
        }
        if (index === stop) {
          this.cl = index
          return null
        }
      }
      position = BEFORE_FIRST
      this.cw -= this.di
      if (this.cw <= 0) {
        this.cw = this.mw
        if (lastPass || last === BEFORE_FIRST) {
          this.cl = BEFORE_FIRST
          return null
        }
        restarted = true
      }
      lastPass = this.cw <= this.di
      if (lastPass && restarted && last !== BEFORE_FIRST) stop = last
    }
  }

  private measure(): void {
    const weights = this.pool.map(({ weight }) => weight).filter((weight) => weight > 0)
    this.di = weights.length === 0 ? 1 : weights.reduce(gcd)
    this.mw = Math.max(0, ...weights) - (this.di - 1)
  }
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
