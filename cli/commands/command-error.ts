/** Why a command of `uipvs` was not carried out, in one line for the operator, and the exit status for it. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  /** 1: refused; 2: it could not even be tried. */
  readonly exitStatus: 1 | 2

  constructor(message: string, exitStatus: 1 | 2, options?: ErrorOptions) {
    super(message, options)
    this.exitStatus = exitStatus
  }
}
