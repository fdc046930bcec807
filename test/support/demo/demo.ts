/**
 * The demonstration: three nginx servers behind uipvs, reached through NAT, DR and TUN, all in network namespaces of
 * this machine. Exit status 0 when every request was answered as promised and nothing was left behind, 1 when not,
 * 2 when it cannot run here, 130 after Ctrl-C.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ControlClient } from '../../../control/client.ts'
import { endpoint, type RealServer } from '../lab/addresses.ts'
import { Lab } from '../lab/lab.ts'
import { labObstacle } from '../lab/namespaces.ts'
import { builtProgram, type Uipvs } from '../lab/uipvs.ts'
import type { Web } from '../lab/web.ts'
import { bad, bold, good, listing, PICTURE, Progress, resultTable } from './screen.ts'
import {
  addressSeen,
  complaints,
  DEMO_SERVICES,
  type DemoService,
  type Outcome,
  PORT,
  REQUESTS,
  RULES,
} from './services.ts'

const PREFIX = 'uipvsdemo'

/** Requests at a time; between them the line of progress moves. */
const BATCH = 12

/** Counters are brought up to date every two seconds; this is patience for a slow machine. */
const COUNTERS_MS = 6000

/** Runs the demonstration and returns the exit status. */
export async function demo(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { keep: { type: 'boolean', default: false } } })
  const obstacle = labObstacle(['ip', 'sysctl', 'iptables', 'nft', 'nginx', 'curl', 'cc'])
  if (obstacle !== null) {
    console.error(`demo: ${obstacle}`)
    return 2
  }
  const interruption = interrupted()
  const progress = new Progress()
  const stage: Stage = { keeps: values.keep, isKept: false, isInterrupted: false, interruption }
  progress.show('building the laboratory: client, director, three real servers')
  const making = Lab.create({ prefix: PREFIX })
  try {
    const showing = making.then((lab) => show(lab, progress, stage))
    // Ctrl-C cuts the show short, unless it is what the show is waiting for.
    const ended = interruption.then((status) => {
      stage.isInterrupted = true
      return stage.isKept ? showing : status
    })
    return await Promise.race([showing, ended])
  } finally {
    progress.clear()
    await (await making).destroy()
    if (stage.isInterrupted && !stage.isKept) print(['interrupted: everything is removed'])
  }
}

interface Stage {
  /** Whether everything is to stay, once shown, until somebody interrupts. */
  readonly keeps: boolean
  isKept: boolean
  isInterrupted: boolean
  readonly interruption: Promise<number>
}

async function show(lab: Lab, progress: Progress, stage: Stage): Promise<number> {
  const before = await lab.snapshot('director')
  progress.show('starting nginx on rs1, rs2 and rs3')
  const webs = new Map<RealServer, Web>()
  for (const server of lab.realServers) {
    webs.set(server, await lab.web(server, { port: PORT }))
    await lab.decapsulate(server)
  }
  progress.show('starting uipvs on the director')
  const uipvs = await lab.uipvs({ config: { logLevel: 'warn' } })
  const { stderr } = await uipvs.adm(['-R'], { input: RULES })
  if (stderr !== '') throw new Error(`uipvsadm -R: ${stderr}`)

  const outcomes: Outcome[] = []
  for (const service of DEMO_SERVICES) outcomes.push(await load(lab, service, progress))
  progress.show('waiting for the counters, which are read every two seconds')
  const miscounted = await counted(uipvs)
  const faults = [...outcomes.flatMap(complaints), ...(await misdirected(webs, outcomes)), ...miscounted]
  const statistics = (await uipvs.adm(['-Ln', '--stats'])).stdout.trimEnd().split('\n')
  const connections = sample((await uipvs.adm(['-Lnc'])).stdout.trimEnd().split('\n'))
  progress.clear()
  print([
    `${bold('uipvs')}: IPVS in userspace, in a laboratory of network namespaces`,
    ...PICTURE,
    '',
    ...resultTable(outcomes),
    '',
    ...listing('uipvsadm -Ln --stats', statistics),
    '',
    ...(stage.keeps ? [] : listing('uipvsadm -Lnc', connections, `one of ${REQUESTS} of each service`)),
    ...faults.map(bad),
  ])
  if (faults.length === 0) print([good('every request was answered, and by the real servers that had to')])
  if (stage.keeps) {
    print(invitation(lab, uipvs))
    stage.isKept = true
    await stage.interruption
    print([''])
  }
  const status = await uipvs.stop()
  const isClean = status === 0 && (await lab.snapshot('director')) === before
  print([isClean ? good('stopped: rules, routes and settings are as before') : bad(leftover(status))])
  return faults.length === 0 && isClean ? 0 : 1
}

const leftover = (status: number | null): string =>
  status === 0
    ? 'stopped, but rules, routes or settings differ from before'
    : `stopped with exit status ${status}`

async function load(lab: Lab, service: DemoService, progress: Progress): Promise<Outcome> {
  const url = `http://${endpoint(service.address, PORT)}/`
  const byServer = new Map<string, number>()
  let failed = 0
  for (let done = 0; done < REQUESTS; done += BATCH) {
    progress.show(`${REQUESTS} requests through ${service.method}`, done, REQUESTS)
    const answers = await lab.requests('client', url, { count: BATCH, parallel: BATCH })
    for (const [server, count] of answers.byBody) byServer.set(server, (byServer.get(server) ?? 0) + count)
    failed += answers.failed
  }
  return { service, byServer, failed }
}

/** Asks the real servers' logs whether the requests came to the address that the forwarding method says. */
async function misdirected(
  webs: ReadonlyMap<RealServer, Web>,
  outcomes: readonly Outcome[],
): Promise<string[]> {
  const found: string[] = []
  for (const [server, web] of webs) {
    const visits = await web.visits()
    for (const { service, byServer } of outcomes) {
      const seen = visits.filter((visit) => visit.server === addressSeen(service, server)).length
      const answered = byServer.get(server) ?? 0
      if (seen !== answered) {
        found.push(
          `${service.method}: ${server} saw ${seen} requests at ${addressSeen(service, server)}, not ${answered}`,
        )
      }
    }
  }
  return found
}

/** Waits until the statistics show every connection; says which service's do not in the end. */
async function counted(uipvs: Uipvs): Promise<string[]> {
  const control = new ControlClient(uipvs.socketPath)
  const deadlineMs = performance.now() + COUNTERS_MS
  for (;;) {
    const services = await control.services()
    const wrong = services.filter(({ counters }) => counters.connections !== REQUESTS)
    if (wrong.length === 0 || performance.now() > deadlineMs) {
      return wrong.map(
        ({ id, counters }) => `${id}: ${counters.connections} connections counted, not ${REQUESTS}`,
      )
    }
    await sleep(100)
  }
}

/** Of a connection listing its two heading lines, and one connection of each service. */
function sample(lines: readonly string[]): string[] {
  const found = DEMO_SERVICES.map((service) =>
    lines.find((line) => line.includes(` ${endpoint(service.address, PORT)} `)),
  )
  return [...lines.slice(0, 2), ...found.filter((line) => line !== undefined)]
}

function invitation(lab: Lab, uipvs: Uipvs): string[] {
  const [nat] = DEMO_SERVICES
  return [
    '',
    bold('It keeps running until Ctrl-C. From another terminal, as root:'),
    `  ${lab.on('client', ['curl', `http://${nat!.address}/`]).join(' ')}`,
    `  export UIPVS_SOCKET=${uipvs.socketPath}`,
    `  node ${builtProgram('uipvsadm')} -Ln --rate    (or -Lnc: connections)`,
  ]
}

/** Resolves with the exit status for Ctrl-C, or for being told to end. */
function interrupted(): Promise<number> {
  return new Promise((resolve) => {
    for (const [signal, status] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      process.on(signal, () => resolve(status))
    }
  })
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
