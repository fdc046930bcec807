/**
 * A small FTP server for a laboratory's real server: RETR and STOR in both modes and families, by RFC 959 and RFC 2428.
 * `node ftp-server.mjs PORT TEXT`; a file's content is TEXT, and what is stored is said on stdout, as `STORED <octets>`.
 */

import { connect, createServer } from 'node:net'

const [port, text] = process.argv.slice(2)

createServer((control) => new Session(control)).listen({ port: Number(port), host: '::' }, () =>
  console.log('LISTENING'),
)

class Session {
  #control
  /** Opens the next data connection. */
  #open = () => Promise.reject(new Error('no mode was chosen'))

  constructor(control) {
    this.#control = control
    control.setEncoding('latin1')
    control.on('error', () => {})
    let rest = ''
    control.on('data', (chunk) => {
      const lines = (rest + chunk).split('\r\n')
      rest = lines.pop()
      for (const line of lines) void this.#obey(line)
    })
    this.#say('220 hello')
  }

  #say(line) {
    this.#control.write(`${line}\r\n`)
  }

  async #obey(line) {
    const [word, argument] = [line.slice(0, 4).trim().toUpperCase(), line.slice(5)]
    const act = ACTIONS[word]
    if (act === undefined) this.#say('502 not here')
    else await act(this, argument)
  }

  static reply = (line) => (session) => session.#say(line)

  async passive(isExtended) {
    const server = createServer().listen({ port: 0, host: '::' })
    await new Promise((resolve) => server.once('listening', resolve))
    const came = new Promise((resolve) => server.once('connection', resolve))
    this.#open = async () => {
      const socket = await came
      server.close()
      return socket
    }
    const { port } = server.address()
    const own = this.#control.localAddress.replace('::ffff:', '')
    if (isExtended) this.#say(`229 Entering Extended Passive Mode (|||${port}|)`)
    else this.#say(`227 Entering Passive Mode (${own.replaceAll('.', ',')},${port >> 8},${port & 255}).`)
  }

  active(host, port) {
    // From the port below the control connection's, as RFC 959 has it.
    const localPort = this.#control.localPort - 1
    this.#open = () =>
      new Promise((resolve, reject) => {
        const socket = connect({ host, port, localPort }, () => resolve(socket))
        socket.once('error', reject)
      })
    this.#say('200 ok')
  }

  async transfer(isUpload) {
    this.#say('150 here it comes')
    try {
      const socket = await this.#open()
      let octets = 0
      socket.on('data', (chunk) => (octets += chunk.length))
      if (!isUpload) socket.end(text)
      await new Promise((resolve) => socket.once('close', resolve))
      if (isUpload) console.log(`STORED ${octets}`)
      this.#say('226 done')
    } catch (error) {
      this.#say(`425 ${error.message}`)
    }
  }
}

const ACTIONS = {
  USER: Session.reply('331 and the password?'),
  PASS: Session.reply('230 welcome'),
  PWD: Session.reply('257 "/" is where you are'),
  TYPE: Session.reply('200 ok'),
  CWD: Session.reply('250 ok'),
  SIZE: Session.reply(`213 ${text.length}`),
  QUIT: Session.reply('221 bye'),
  PASV: (session) => session.passive(false),
  EPSV: (session) => session.passive(true),
  PORT: (session, argument) => {
    const numbers = argument.split(',').map(Number)
    session.active(numbers.slice(0, 4).join('.'), numbers[4] * 256 + numbers[5])
  },
  EPRT: (session, argument) => {
    const [, , host, port] = argument.split(argument[0])
    session.active(host, Number(port))
  },
  RETR: (session) => session.transfer(false),
  STOR: (session) => session.transfer(true),
}
