import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCommand } from '../../bin/run-command.ts'
import { missingCapabilities } from '../../forwarder/privileges.ts'

const TEXT = readFileSync(new URL('../../packaging/uipvs.service', import.meta.url), 'utf8')

/** `[section, name, value]`, in order. */
function settingsOf(text: string): (readonly [string, string, string])[] {
  let section = ''
  return text.split('\n').flatMap((line) => {
    const head = /^\[(\w+)\]$/.exec(line)
    if (head !== null) section = head[1] as string
    const setting = /^([A-Z]\w+)=(.+)$/.exec(line)
    if (head === null && setting === null && line !== '' && !line.startsWith('#'))
      throw new Error(`neither section, setting nor comment: ${line}`)
    return setting === null ? [] : [[section, setting[1] as string, setting[2] as string] as const]
  })
}

const SETTINGS = settingsOf(TEXT)
const valuesOf = (name: string): string[] =>
  SETTINGS.filter((each) => each[1] === name).map((each) => each[2])

describe('the systemd unit', () => {
  it('starts the program with options that it has', () => {
    const command = runCommand({ version: '0', stdout: { write() {} }, socketPath: '/x', environment: {} })
    const known = command.options.map(({ long }) => long)
    const commands = [...valuesOf('ExecStart'), ...valuesOf('ExecStartPre')].filter((line) =>
      line.includes('uipvs '),
    )
    expect(commands).toHaveLength(2)
    for (const line of commands) {
      const [program, name, ...words] = line.split(' ')
      expect([program, name]).toEqual(['/usr/bin/uipvs', 'run'])
      expect(words.filter((word) => word.startsWith('--') && !known.includes(word))).toEqual([])
    }
  })

  it('grants the capabilities that the daemon needs, and no other', () => {
    const needed = missingCapabilities(0n)
    for (const name of ['AmbientCapabilities', 'CapabilityBoundingSet'])
      expect(valuesOf(name).join(' ').split(' ').sort()).toEqual([...needed].sort())
    expect(valuesOf('User')).toEqual(['uipvs'])
  })

  it('does not take away what the daemon works with', () => {
    const families = valuesOf('RestrictAddressFamilies')[0]?.split(' ')
    expect(families).toEqual(
      expect.arrayContaining(['AF_UNIX', 'AF_NETLINK', 'AF_INET', 'AF_INET6', 'AF_PACKET']),
    )
    expect(valuesOf('ProtectKernelTunables')).toEqual(['no'])
    expect(valuesOf('MemoryDenyWriteExecute')).toEqual(['no'])
    expect(valuesOf('Type')).toEqual(['notify'])
  })

  it('keeps what the next start needs after a crash, and restarts for nothing that an operator must mend', () => {
    expect(valuesOf('RuntimeDirectoryPreserve')).toEqual(['yes'])
    expect(valuesOf('RestartPreventExitStatus')).toEqual(['2'])
  })

  const systemd = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' })
  if (systemd.status !== 0) console.warn('SKIPPED: systemd-analyze is not installed')

  it.skipIf(systemd.status !== 0)(
    'is one that systemd understands in every line, and calls well protected',
    () => {
      const directory = mkdtempSync(join(tmpdir(), 'uipvs-unit-'))
      try {
        // The programs are not installed here: systemd looks for them.
        const path = join(directory, 'uipvs.service')
        writeFileSync(
          path,
          TEXT.replaceAll('/usr/bin/uipvs', '/bin/true').replaceAll('/sbin/modprobe', '/bin/true'),
        )
        const verify = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' })
        expect(verify.stderr.split('\n').filter((line) => line.includes('uipvs.service'))).toEqual([])
        const security = spawnSync(
          'systemd-analyze',
          ['security', '--offline=yes', '--threshold=35', '--no-pager', path],
          { encoding: 'utf8' },
        )
        expect(security.stdout + security.stderr).toMatch(
          /Overall exposure level for uipvs\.service: [0-3]\.\d OK/,
        )
      } finally {
        rmSync(directory, { recursive: true })
      }
    },
  )
})
