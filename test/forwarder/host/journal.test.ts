import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Journal } from '../../../forwarder/host/journal.ts'
import { identifyThisProcess, isAlive } from '../../../forwarder/host/process-identity.ts'
import { repair } from '../../../forwarder/host/undo.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uipvs-journal-'))
  path = join(directory, 'deeper', 'undo.json')
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('Journal', () => {
  it('reads back what was written, and can only be read by its owner', () => {
    const journal = Journal.create(path)
    const sysctls = [{ name: 'net/ipv4/conf/vlan.7/send_redirects', former: '1', ours: '0', sideEffects: [] }]
    journal.update({ sysctls })
    expect(Journal.read(path)?.content).toEqual(journal.content)
    expect(Journal.read(path)?.content.sysctls).toEqual(sysctls)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('leaves nothing behind once discarded', () => {
    const journal = Journal.create(path)
    journal.discard()
    expect(readdirSync(join(directory, 'deeper'))).toEqual([])
    expect(Journal.read(path)).toBeNull()
  })

  it.each([
    ['half a file', (text: string) => text.slice(0, 40)],
    ['another version', (text: string) => text.replace('"version": 1', '"version": 2')],
    ['a setting outside of net', (text: string) => text.replace('net/ipv4', 'net/../kernel')],
    [
      'a program of its own choosing',
      (text: string) =>
        text.replace('"ipv4": null', '"ipv4": {"program": "rm", "backend": "nft", "before": {}}'),
    ],
  ])('refuses %s and says what to do', (_what, spoil) => {
    Journal.create(path).update({
      sysctls: [{ name: 'net/ipv4/ip_forward', former: '0', ours: '1', sideEffects: [] }],
    })
    const text = readFileSync(path, 'utf8')
    expect(spoil(text)).not.toBe(text)
    writeFileSync(path, spoil(text))
    expect(() => Journal.read(path)).toThrow(new RegExp(`${path} cannot be read[\\s\\S]*delete the file`))
  })
})

describe('repair', () => {
  it('has nothing to do without a journal', async () => {
    expect(await repair(path)).toBe('nothing')
  })

  it('refuses while the daemon that wrote the journal is running', async () => {
    const journal = Journal.create(path)
    journal.update({ owner: { ...journal.content.owner, ...identify(process.ppid) } })
    await expect(repair(path)).rejects.toThrow(`running already, as process ${process.ppid}`)
  })

  it('drops a journal from before a reboot, or of another network namespace', async () => {
    for (const stranger of [{ bootId: 'other' }, { netNamespace: 'net:[1]' }]) {
      const journal = Journal.create(path)
      journal.update({ owner: { ...journal.content.owner, startTicks: '0', ...stranger } })
      expect(await repair(path)).toBe('from-elsewhere')
      expect(Journal.read(path)).toBeNull()
    }
  })
})

describe('isAlive', () => {
  it('tells a process from a later one with its number', () => {
    const self = identifyThisProcess()
    expect(isAlive(self)).toBe(true)
    expect(isAlive({ ...self, startTicks: '1' })).toBe(false)
    expect(isAlive({ ...self, bootId: 'other' })).toBe(false)
    expect(isAlive({ ...self, pid: 4_194_305 })).toBe(false)
  })
})

/** Process number and start time of another process. */
function identify(pid: number): { pid: number; startTicks: string } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return { pid, startTicks: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] as string }
}
