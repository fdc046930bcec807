/** nginx as a real server's web server: one process, one page, one access log. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from './addresses.ts'
import type { Lab } from './lab.ts'
import { listening } from './listening.ts'
import type { Program } from './process.ts'

export interface WebOptions {
  /** Default 80. */
  readonly port?: number
  /** The page; default the host's name and a newline. */
  readonly body?: string
}

/** One request as a web server saw it. */
export interface Visit {
  readonly client: string
  /** The address the request was sent to, as the server saw it: a VIP under DR and TUN, its own under NAT. */
  readonly server: string
  readonly requestLine: string
}

export interface Web {
  readonly program: Program
  /** Every request answered so far. */
  visits(): Promise<Visit[]>
  stop(): Promise<void>
}

/** Starts nginx on all addresses of the host; resolves when it listens. */
export async function startWeb(lab: Lab, host: Host, options: WebOptions = {}): Promise<Web> {
  const { port = 80, body = `${host}\n` } = options
  const folder = join(lab.directory, `web-${host}-${port}`)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'page'), body)
  await writeFile(join(folder, 'nginx.conf'), configuration(port))
  const program = lab.spawn(host, ['nginx', '-p', `${folder}/`, '-c', 'nginx.conf', '-e', 'stderr'])
  await listening(program, { protocol: 'tcp', port, count: 2 })
  return {
    program,
    visits: async () => parseVisits(await readFile(join(folder, 'access.log'), 'utf8')),
    stop: async () => {
      await program.stop()
    },
  }
}

/** Connections end after one answer, so that every request is a connection for the director to schedule. */
const configuration = (port: number): string => `
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
events { worker_connections 4096; }
http {
  log_format visit '$remote_addr\\t$server_addr\\t$request';
  access_log access.log visit;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  default_type text/plain;
  keepalive_timeout 0;
  client_max_body_size 1m;
  server {
    listen ${port} backlog=4096;
    listen [::]:${port} ipv6only=on backlog=4096;
    root .;
    location / { try_files /page =404; }
  }
}
`

const parseVisits = (log: string): Visit[] =>
  log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [client = '', server = '', requestLine = ''] = line.split('\t')
      return { client, server, requestLine }
    })
