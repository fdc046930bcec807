/** What a persistence engine knows its templates by: text to records, newest first, and back. Kept beside the records. */

export class EngineData {
  readonly #records = new Map<string, readonly number[]>()
  readonly #data = new Map<number, string>()

  /** The records with this data, newest first. */
  records(data: string): readonly number[] {
    return this.#records.get(data) ?? []
  }

  /** The data of a record, or null. */
  of(record: number): string | null {
    return this.#data.get(record) ?? null
  }

  set(record: number, data: string): void {
    this.#data.set(record, data)
    this.#records.set(data, [record, ...this.records(data)])
  }

  delete(record: number): void {
    const data = this.#data.get(record)
    if (data === undefined) return
    const others = this.records(data).filter((each) => each !== record)
    this.#data.delete(record)
    if (others.length === 0) this.#records.delete(data)
    else this.#records.set(data, others)
  }
}
