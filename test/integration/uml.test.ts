/** The harness of the second kernel: commands, namespaces, its end. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { umlObstacle } from '../../conformance/uml/kit.ts'
import { Uml } from '../../conformance/uml/uml.ts'

const obstacle = await umlObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

describe.skipIf(obstacle !== null)('user-mode-linux', () => {
  let uml: Uml
  beforeAll(async () => {
    uml = await Uml.boot()
  })
  afterAll(async () => {
    await uml?.close()
    expect(existsSync(uml.exchange)).toBe(false)
    expect(processesNaming(uml.exchange)).toEqual([])
  })

  it('is another kernel, with IPVS and every scheduler that it was built with', async () => {
    const [release, modules, listing] = await uml.runAll([
      { argv: ['uname', '-r'] },
      { argv: ['cat', '/proc/modules'] },
      { argv: ['ipvsadm', '-Ln'] },
    ])
    expect(release?.stdout).toBe(`${uml.kit.release}\n`)
    expect(modules?.stdout.match(/^ip_vs_\w+/gm)?.length).toBeGreaterThanOrEqual(14)
    expect(listing).toMatchObject({ status: 0, stderr: '' })
    expect(listing?.stdout).toMatch(/^IP Virtual Server version 1\.2\.1 /)
  })

  it('runs words as they are, and gives back both outputs and the exit status', async () => {
    const words = ["it's", '', '$HOME', ' two  blanks ', '"quoted"', 'a\nb', '*']
    const print = ['sh', '-c', 'printf "<%s>" "$@"; cat; echo bad >&2; exit 7', 'sh', ...words]
    expect(await uml.run(print, { stdin: 'input' })).toEqual({
      stdout: `${words.map((word) => `<${word}>`).join('')}input`,
      stderr: 'bad\n',
      status: 7,
    })
    expect((await uml.run(['no-such-program'])).status).toBe(127)
  })

  it('runs jobs side by side', async () => {
    const reader = uml.run(['sh', '-c', 'while [ ! -e /run/flag ]; do sleep 0.05; done; echo seen'])
    await uml.run(['touch', '/run/flag'])
    expect((await reader).stdout).toBe('seen\n')
  })

  it('has tables of its own in each network namespace', async () => {
    await uml.run(['ip', 'netns', 'add', 'own'])
    await uml.run(['ipvsadm', '-A', '-f', '7'], { namespace: 'own' })
    expect((await uml.run(['ipvsadm', '-Sn'], { namespace: 'own' })).stdout).toBe('-A -f 7 -s wlc\n')
    expect((await uml.run(['ipvsadm', '-Sn'])).stdout).toBe('')
    expect((await uml.run(['true'], { namespace: 'nosuch' }).catch(String)).toString()).toMatch(/no result/)
  })

  it('can write to nothing of the host but the exchange', async () => {
    const written = await uml.run(['sh', '-c', 'echo x > /etc/../var/uipvs-uml-trial'])
    expect(written.status).not.toBe(0)
    expect(existsSync('/var/uipvs-uml-trial')).toBe(false)
    await uml.run(['sh', '-c', `echo out > ${uml.exchangeInside}/file`])
    expect(readFileSync(`${uml.exchange}/file`, 'utf8')).toBe('out\n')
  })

  it('is killed when a job does not end in time', { timeout: 60_000 }, async () => {
    const other = await Uml.boot()
    await expect(other.run(['sleep', '60'], { timeoutMs: 200 })).rejects.toThrow(/no 'job-1' after 200 ms/)
    expect(existsSync(other.exchange)).toBe(false)
    expect(processesNaming(other.exchange)).toEqual([])
    await other.close()
  })
})

/** The ids of processes with this text in their command line. */
function processesNaming(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLineOf(pid).includes(text))
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch (error) {
    // It has ended meanwhile.
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return ''
    throw error
  }
}
