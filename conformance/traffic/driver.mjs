/**
 * Plays a scenario from the client's namespace and prints what was seen of each step, as a JSON array. The argument is
 * the path of a JSON file: { steps, servers, enter, daemon }, where `servers` is the command that starts the real servers,
 * `enter` what precedes a command for the director's namespace, and `daemon` is null for the kernel's IPVS, or tells
 * uipvs: { distFolder, socketPath }.
 */

import { execFile, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, isIP, isIPv4 } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long an answer may take: the emulated machine is slow, and its host may be busy. */
const ANSWER_MS = 8000
const DAEMON_START_MS = 60_000

const { steps, servers, enter, daemon } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const kept = []

const [program, ...words] = servers
const serving = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
const director = daemon === null ? kernelDirector() : await uipvsDirector(daemon)
for await (const line of createInterface(serving.stdout)) if (line === 'ready') break

const PLAY = { ...director, mark, tcp, udp, close: closeKept, wait }
const seen = []
for (const step of steps) seen.push(await PLAY[step.kind](step))
process.stdout.write(`${JSON.stringify(seen)}\n`)
serving.kill('SIGKILL')
process.exit()

/** What is done to the director, where that is the kernel's. */
function kernelDirector() {
  return {
    ipvsadm: ({ argv }) => onDirector('ipvsadm', ...argv),
    sysctl: ({ setting }) => onDirector('sysctl', '-qw', `net.ipv4.vs.${setting}`),
    proc: ({ file }) => onDirector('cat', `/proc/net/${file}`),
  }
}

/** The same of uipvs. Its commands run here: starting each as a program would take the emulated machine seconds. */
async function uipvsDirector({ distFolder, socketPath }) {
  const load = (path) => import(`${distFolder}/${path}.js`)
  const [{ uipvsadm }, { ControlClient }, { sysctlCommand }, { procCommand }] = await Promise.all(
    ['cli/run', 'control/index', 'cli/commands/sysctl', 'cli/commands/proc'].map(load),
  )
  const client = new ControlClient(socketPath)
  await answering(client)
  const run = async (act) => {
    const written = { stdout: '', stderr: '' }
    const keep = (stream) => ({ write: (text) => (written[stream] += text) })
    const io = {
      stdin: [],
      stdout: keep('stdout'),
      stderr: keep('stderr'),
      client,
      socketPath,
      connect: () => client,
    }
    const status = (await act(io)) ?? 0
    return { ...written, status: typeof status === 'number' ? status : 0 }
  }
  return {
    ipvsadm: ({ argv }) => run((io) => uipvsadm(argv, io)),
    sysctl: ({ setting }) => run((io) => sysctlCommand(io).parseAsync(['-q', setting], { from: 'user' })),
    proc: ({ file }) => run((io) => procCommand(io).parseAsync([file], { from: 'user' })),
  }
}

async function answering(client) {
  const deadlineMs = performance.now() + DAEMON_START_MS
  for (;;) {
    try {
      return await client.info()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await sleep(100)
    }
  }
}

/** Gives packets to an address a firewall mark before anything else happens to them. */
function mark({ mark, transport, to }) {
  const match = ['-p', transport, '-d', to.address, '--dport', `${to.port}`]
  const program = isIPv4(to.address) ? 'iptables-legacy' : 'ip6tables-legacy'
  return onDirector(
    program,
    '-t',
    'mangle',
    '-I',
    'PREROUTING',
    ...match,
    '-j',
    'MARK',
    '--set-mark',
    `${mark}`,
  )
}

function onDirector(...argv) {
  const [command, ...words] = [...enter, ...argv]
  return new Promise((resolve) => {
    execFile(command, words, (error, stdout, stderr) =>
      resolve({ stdout, stderr, status: error === null ? 0 : error.code }),
    )
  })
}

/** Who answered each connection, or why nobody did, in order. */
async function tcp(step) {
  const answers = []
  for (const local of locals(step)) answers.push(await tcpOnce(local, step))
  return answers
}

async function tcpOnce(local, { to, isKept }) {
  const socket = connect({
    host: to.address,
    port: to.port,
    localAddress: local.address,
    localPort: local.port,
  })
  // What befalls it after its answer is seen by the listings.
  socket.on('error', () => socket.destroy())
  socket.on('connect', () => socket.write('who\n'))
  const answer = await answerOf(once(socket, 'data'))
  if (isKept && isIP(answer) !== 0) kept.push(socket)
  else await closed(socket)
  return answer
}

async function udp(step) {
  const answers = []
  for (const local of locals(step)) answers.push(await udpOnce(local, step))
  return answers
}

async function udpOnce(local, { to }) {
  const socket = createSocket(isIPv4(to.address) ? 'udp4' : 'udp6')
  await once(socket.bind(local.port, local.address), 'listening')
  // Connected, so that an ICMP error is told.
  socket.connect(to.port, to.address)
  await once(socket, 'connect')
  const answered = answerOf(once(socket, 'message'))
  socket.send('who')
  const answer = await answered
  socket.close()
  return answer
}

async function closeKept() {
  for (const socket of kept.splice(0)) await closed(socket)
  return 'closed'
}

async function wait({ seconds }) {
  await sleep(seconds * 1000)
  return 'waited'
}

/** Ends a connection in order, our side first; one that does not end is reset. */
async function closed(socket) {
  if (socket.destroyed) return
  const gone = new Promise((resolve) => socket.on('close', resolve))
  socket.end()
  const timer = setTimeout(() => socket.resetAndDestroy(), ANSWER_MS)
  await gone
  clearTimeout(timer)
}

/** What came, or the error's code, or `nobody`. */
function answerOf(arriving) {
  const answered = arriving.then(
    ([data]) => data.toString().trim(),
    (error) => error.code,
  )
  return Promise.race([answered, sleep(ANSWER_MS, 'nobody', { ref: false })])
}

/** The client's end of each connection: ports count up, or the last number of the address does. */
function* locals({ count, from, counts }) {
  for (let index = 0; index < count; index++) {
    if (counts === 'ports') yield { address: from.address, port: from.port + index }
    else yield { address: from.address.replace(/\d+$/, (last) => Number(last) + index), port: from.port }
  }
}
