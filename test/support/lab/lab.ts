/**
 * A laboratory: a client, a director and real servers in network namespaces of this machine, with the traffic
 * programs to try them. Needs root; {@link labObstacle} says beforehand what is missing.
 *
 *     const lab = await Lab.create({ prefix: 'nat' })
 *     await lab.web('rs1', { port: 80 })
 *     expect(await lab.curl('client', 'http://10.79.0.100/')).toMatchObject({ status: 200, body: 'rs1\n' })
 *     await lab.destroy()
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Host, REAL_SERVERS, type RealServer, type VipKind } from './addresses.ts'
import { type Capture, startCapture } from './capture.ts'
import { startDecapsulation } from './decap.ts'
import { type EchoOptions, startTcpEcho, startUdpEcho } from './echo.ts'
import { type IperfOptions, type IperfResult, iperf, startIperf } from './iperf.ts'
import { namespaceName, removeNamespaces, sweepNamespaces } from './namespaces.ts'
import { Program, type ProgramOptions, type RunOptions, type RunResult, run } from './process.ts'
import { snapshot } from './snapshot.ts'
import { addressing, cabling, devicesOf, hostsOf, links, sysctls, type Topology } from './topology.ts'
import {
  type Answer,
  Conversation,
  type CurlOptions,
  curl,
  type Load,
  type LoadOptions,
  requests,
  type UdpOptions,
  udpRequest,
} from './traffic.ts'
import { startUipvs, type Uipvs, type UipvsOptions } from './uipvs.ts'
import { startWeb, type Web, type WebOptions } from './web.ts'

export interface LabOptions {
  /** The first part of every namespace name: lower-case letters and digits, at most 12. */
  readonly prefix: string
  /** How many real servers, 1 to 3; default 3. */
  readonly realServers?: 1 | 2 | 3
  /** Which VIPs exist; default both. */
  readonly vips?: readonly VipKind[]
  /** Veth pairs without bridges, one real server, no way around the director: for measuring. */
  readonly direct?: boolean
  /** MTU of each net; default 1500. */
  readonly mtu?: { readonly front?: number; readonly back?: number }
  /** Hosts whose devices have segmentation, receive and checksum offloads turned off; default none. */
  readonly withoutOffloads?: readonly Exclude<Host, 'lan'>[]
}

/** Counts the laboratories of this process, so that their namespaces differ. */
let labsMade = 0

export class Lab {
  /** Scratch files of the servers; deleted by {@link destroy}. */
  readonly directory: string
  readonly topology: Topology
  readonly #prefix: string
  readonly #serial: number
  readonly #programs = new Set<Program>()

  private constructor(options: LabOptions, directory: string) {
    const { prefix, realServers = options.direct ? 1 : 3, vips = ['local', 'routed'], mtu = {} } = options
    this.#prefix = prefix
    this.#serial = ++labsMade
    this.directory = directory
    this.topology = {
      realServers: REAL_SERVERS.slice(0, realServers),
      vips,
      isDirect: options.direct ?? false,
      mtu: { front: mtu.front ?? 1500, back: mtu.back ?? 1500 },
    }
  }

  /** Builds the namespaces, cables and addresses; when that fails, nothing is left behind. */
  static async create(options: LabOptions): Promise<Lab> {
    if (!/^[a-z0-9]{1,12}$/.test(options.prefix)) {
      throw new RangeError(
        `laboratory prefix '${options.prefix}': expected 1 to 12 lower-case letters or digits`,
      )
    }
    if (options.direct && (options.realServers ?? 1) !== 1) {
      throw new RangeError(`a direct laboratory has 1 real server, not ${options.realServers}`)
    }
    await Lab.sweep(options.prefix)
    const lab = new Lab(options, await mkdtemp(join(tmpdir(), `${options.prefix}-lab-`)))
    try {
      await lab.#build(options.withoutOffloads ?? [])
    } catch (error) {
      await lab.destroy()
      throw error
    }
    return lab
  }

  /** Removes what laboratories of dead processes left; returns the names of the namespaces removed. */
  static sweep(prefix: string): Promise<string[]> {
    return sweepNamespaces(prefix)
  }

  get hosts(): readonly Host[] {
    return hostsOf(this.topology)
  }

  get realServers(): readonly RealServer[] {
    return this.topology.realServers
  }

  /** The network namespace of a host, as `ip netns` calls it. */
  namespace(host: Host): string {
    return namespaceName(this.#prefix, this.#serial, host)
  }

  /** The argument array that runs a command on a host: for people to type, and for {@link exec}. */
  on(host: Host, argv: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.namespace(host), ...argv]
  }

  /** Runs a command on a host to its end; see {@link run}. */
  exec(host: Host, argv: readonly string[], options?: RunOptions): Promise<RunResult> {
    return run(this.on(host, argv), options)
  }

  /** Starts a program on a host; {@link destroy} kills it. */
  spawn(host: Host, argv: readonly string[], options: ProgramOptions = {}): Program {
    const program = new Program(this.on(host, argv), {
      ...options,
      onExit: () => {
        this.#programs.delete(program)
        options.onExit?.()
      },
    })
    this.#programs.add(program)
    return program
  }

  /** nginx on all addresses of a host, answering with the host's name unless told otherwise. */
  web(host: Host, options?: WebOptions): Promise<Web> {
    return startWeb(this, host, options)
  }

  /** Answers each UDP datagram with `<host>:<datagram>`, from the address it was sent to. */
  udpEcho(host: Host, port: number, options?: EchoOptions): Promise<void> {
    return startUdpEcho(this, host, port, options)
  }

  /** Answers each line of a TCP connection with `<host>:<line>`, on all addresses. */
  tcpEcho(host: Host, port: number): Promise<void> {
    return startTcpEcho(this, host, port)
  }

  /** Takes apart IP-in-IP arriving at a host (all four family combinations), so that the host receives the inner packets. */
  decapsulate(host: Host): Promise<Program> {
    return startDecapsulation(this, host)
  }

  /** Starts the built daemon on the director; resolves when its control socket answers. */
  uipvs(options?: UipvsOptions): Promise<Uipvs> {
    return startUipvs(this, options)
  }

  /** One HTTP request, on a connection of its own. */
  curl(host: Host, url: string, options?: CurlOptions): Promise<Answer> {
    return curl(this, host, url, options)
  }

  /** Many HTTP requests, each on a connection of its own, counted by the body of the answer. */
  requests(host: Host, url: string, options: LoadOptions): Promise<Load> {
    return requests(this, host, url, options)
  }

  /** An iperf3 server for one test. */
  iperfServer(host: Host, port: number): Promise<Program> {
    return startIperf(this, host, port)
  }

  /** One TCP stream by iperf3, to an {@link iperfServer}. */
  iperf(host: Host, options: IperfOptions): Promise<IperfResult> {
    return iperf(this, host, options)
  }

  /** Sends one datagram; returns the answer, or null when none came in time. */
  udpRequest(host: Host, options: UdpOptions): Promise<string | null> {
    return udpRequest(this, host, options)
  }

  /** Opens a TCP connection that stays: write to it and read from it over time. */
  connect(host: Host, address: string, port: number, timeoutMs?: number): Promise<Conversation> {
    return Conversation.open(this, host, { address, port, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  }

  /** Starts to record packets on a device; once it resolves, no later packet is missed. */
  capture(host: Host, device: string, filter = ''): Promise<Capture> {
    return startCapture(this, host, device, filter)
  }

  /** The host's rules, routes and settings as text, for comparison before and after; see `snapshot.ts`. */
  snapshot(host: Host): Promise<string> {
    return snapshot(this, host)
  }

  /** Kills every program, deletes namespaces and scratch files. May be called twice. */
  async destroy(): Promise<void> {
    const programs = [...this.#programs]
    for (const program of programs) program.kill('SIGKILL')
    await removeNamespaces(this.hosts.map((host) => this.namespace(host)))
    await Promise.all(programs.map((program) => program.exited))
    await rm(this.directory, { recursive: true, force: true })
  }

  async #build(withoutOffloads: readonly Host[]): Promise<void> {
    const { topology } = this
    await run(['ip', '-batch', '-'], { input: lines(cabling(topology, (host) => this.namespace(host))) })
    await Promise.all(
      this.hosts.map(async (host) => {
        await this.exec(host, ['sysctl', '-qw', ...sysctls(host, topology)])
        const batch = (family: '-4' | '-6', input: string) =>
          run(['ip', family, '-n', this.namespace(host), '-batch', '-'], { input })
        await batch('-4', lines([...links(host, topology), ...addressing(host, 'v4', topology)]))
        await batch('-6', lines(addressing(host, 'v6', topology)))
        if (withoutOffloads.includes(host)) await this.#turnOffloadsOff(host)
      }),
    )
  }

  async #turnOffloadsOff(host: Host): Promise<void> {
    const off = ['tso', 'gso', 'gro', 'tx', 'rx', 'sg'].flatMap((feature) => [feature, 'off'])
    for (const device of devicesOf(host, this.topology)) {
      await this.exec(host, ['ethtool', '-K', device, ...off])
    }
  }
}

const lines = (batch: readonly string[]): string => batch.map((line) => `${line}\n`).join('')
