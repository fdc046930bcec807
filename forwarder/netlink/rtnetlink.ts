/**
 * Routes, neighbours and links as the kernel's routing tables know them: requests and replies as pure functions over
 * bytes. rtnetlink(7), linux/rtnetlink.h, linux/neighbour.h, linux/if_link.h. Fixed headers and numbers are in host
 * order, addresses in network order.
 */

import {
  addressBytes,
  type Family,
  type IpAddress,
  readAddress,
  writeAddress,
} from '../../lib/bytes/address.ts'
import { readU8, writeU8 } from '../../lib/bytes/octets.ts'
import { AF_INET, AF_INET6 } from '../native/constants.ts'
import {
  findAttribute,
  MESSAGE_HEADER_BYTES,
  MessageWriter,
  messageType,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REQUEST,
  readHostI32,
  readHostU16,
  writeHostU32,
} from './message.ts'

const RTM_NEWLINK = 16
const RTM_GETLINK = 18
const RTM_NEWROUTE = 24
const RTM_GETROUTE = 26
const RTM_NEWNEIGH = 28
const RTM_GETNEIGH = 30

const ROUTE_HEADER_BYTES = 12
const ROUTE_TYPE = 7
const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_PREFSRC = 7
const RTA_METRICS = 8
const RTA_MARK = 16
const RTA_VIA = 18
const RTAX_MTU = 2

const NEIGHBOUR_HEADER_BYTES = 12
const NEIGHBOUR_DEVICE = 4
const NEIGHBOUR_STATE = 8
const NEIGHBOUR_FLAGS = 10
const NDA_DST = 1
const NDA_LLADDR = 2
const NTF_USE = 1

const LINK_HEADER_BYTES = 16
const LINK_INDEX = 4
const LINK_FLAGS = 8
const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFF_UP = 1
const IFF_LOOPBACK = 8
const IFF_NOARP = 0x80

/** Kinds of routes, by the kernel's number. */
const ROUTE_TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
] as const

/** A neighbour's states, by the kernel's bit; those before `failed` have a usable address, except `incomplete`. */
const NEIGHBOUR_STATES = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const

/** The way to an address, as the kernel would send to it now. */
export interface Route {
  readonly type: (typeof ROUTE_TYPES)[number]
  /** 0 where the route has no device, as blackholes have none. */
  readonly deviceIndex: number
  /** The next hop, or null where the address is on the link. It may be of the other family. */
  readonly gateway: IpAddress | null
  readonly preferredSource: IpAddress | null
  /** The route's own or discovered path MTU, or null where the device's holds. */
  readonly mtuBytes: number | null
}

export interface Neighbour {
  readonly state: keyof typeof NEIGHBOUR_STATES | 'none'
  /** Its link-layer address, or null while none is known. Empty on links that have no addresses. */
  readonly address: Uint8Array | null
}

export interface Link {
  readonly index: number
  readonly name: string
  readonly mtuBytes: number
  /** Its own link-layer address; empty where the link has none. */
  readonly address: Uint8Array
  readonly isUp: boolean
  readonly isLoopback: boolean
  /** Whether neighbours' addresses have to be resolved before a frame can be sent. */
  readonly hasNeighbours: boolean
}

/** What a route may depend on besides its destination. */
export interface RouteQuery {
  readonly destination: IpAddress
  readonly mark?: number
  /** Only routes that leave by this device. */
  readonly deviceIndex?: number
}

export function routeRequest({ destination, mark, deviceIndex }: RouteQuery): MessageWriter {
  const request = new MessageWriter(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK)
  const header = request.header(ROUTE_HEADER_BYTES)
  writeU8(header, 0, protocolFamily(destination.family))
  writeU8(header, 1, addressBytes(destination.family) * 8)
  request.attribute(RTA_DST, octetsOf(destination))
  if (mark !== undefined) request.attributeHostU32(RTA_MARK, mark)
  if (deviceIndex !== undefined) request.attributeHostU32(RTA_OIF, deviceIndex)
  return request
}

/** The route in a reply, or null where the message is not one. */
export function readRoute(message: Uint8Array): Route | null {
  if (messageType(message, 0) !== RTM_NEWROUTE || message.length < MESSAGE_HEADER_BYTES + ROUTE_HEADER_BYTES)
    return null
  const family = familyOf(readU8(message, MESSAGE_HEADER_BYTES))
  const type = ROUTE_TYPES[readU8(message, MESSAGE_HEADER_BYTES + ROUTE_TYPE)]
  if (family === null || type === undefined) return null
  const attributes = attributesOf(message, ROUTE_HEADER_BYTES)
  return {
    type,
    deviceIndex: attributes.hostU32(RTA_OIF) ?? 0,
    gateway: attributes.address(RTA_GATEWAY, family) ?? attributes.addressWithFamily(RTA_VIA),
    preferredSource: attributes.address(RTA_PREFSRC, family),
    mtuBytes: attributes.nestedHostU32(RTA_METRICS, RTAX_MTU),
  }
}

/** Asks for one neighbour; the kernel refuses with ENOENT where it has none of the address. Linux 5.0 and later. */
export function neighbourRequest(deviceIndex: number, address: IpAddress): MessageWriter {
  const request = new MessageWriter(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_ACK)
  neighbourHeader(request, deviceIndex, address)
  return request.attribute(NDA_DST, octetsOf(address))
}

/** Makes the kernel resolve a neighbour, or verify one that is stale, as if it had a packet for it. */
export function neighbourUseRequest(deviceIndex: number, address: IpAddress): MessageWriter {
  const request = new MessageWriter(RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE)
  writeU8(neighbourHeader(request, deviceIndex, address), NEIGHBOUR_FLAGS, NTF_USE)
  return request.attribute(NDA_DST, octetsOf(address))
}

function neighbourHeader(request: MessageWriter, deviceIndex: number, address: IpAddress): Uint8Array {
  const header = request.header(NEIGHBOUR_HEADER_BYTES)
  writeU8(header, 0, protocolFamily(address.family))
  writeHostU32(header, NEIGHBOUR_DEVICE, deviceIndex)
  return header
}

/** The neighbour in a reply, or null where the message is not one. */
export function readNeighbour(message: Uint8Array): Neighbour | null {
  if (
    messageType(message, 0) !== RTM_NEWNEIGH ||
    message.length < MESSAGE_HEADER_BYTES + NEIGHBOUR_HEADER_BYTES
  ) {
    return null
  }
  const bits = readHostU16(message, MESSAGE_HEADER_BYTES + NEIGHBOUR_STATE)
  const state = neighbourStates.find((name) => bits === NEIGHBOUR_STATES[name]) ?? 'none'
  const isUsable = state !== 'none' && state !== 'incomplete' && state !== 'failed'
  return {
    state,
    address: isUsable ? attributesOf(message, NEIGHBOUR_HEADER_BYTES).octets(NDA_LLADDR) : null,
  }
}

const neighbourStates = Object.keys(NEIGHBOUR_STATES) as (keyof typeof NEIGHBOUR_STATES)[]

/** Asks for a link by its name or index; the kernel refuses with ENODEV where there is none. */
export function linkRequest(device: string | number): MessageWriter {
  const request = new MessageWriter(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK)
  const header = request.header(LINK_HEADER_BYTES)
  if (typeof device === 'number') writeHostU32(header, LINK_INDEX, device)
  else request.attribute(IFLA_IFNAME, new TextEncoder().encode(`${device}\0`))
  return request
}

/** The link in a reply, or null where the message is not one. */
export function readLink(message: Uint8Array): Link | null {
  if (messageType(message, 0) !== RTM_NEWLINK || message.length < MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES)
    return null
  const flags = readHostI32(message, MESSAGE_HEADER_BYTES + LINK_FLAGS)
  const attributes = attributesOf(message, LINK_HEADER_BYTES)
  const name = attributes.octets(IFLA_IFNAME)
  const mtuBytes = attributes.hostU32(IFLA_MTU)
  if (name === null || mtuBytes === null) return null
  const isLoopback = (flags & IFF_LOOPBACK) !== 0
  return {
    index: readHostI32(message, MESSAGE_HEADER_BYTES + LINK_INDEX),
    name: new TextDecoder().decode(name.subarray(0, -1)),
    mtuBytes,
    address: attributes.octets(IFLA_ADDRESS) ?? new Uint8Array(0),
    isUp: (flags & IFF_UP) !== 0,
    isLoopback,
    hasNeighbours: !isLoopback && (flags & IFF_NOARP) === 0,
  }
}

/** Reading attributes by type, each null where it is not there or of another length than it must be. */
function attributesOf(message: Uint8Array, headerBytes: number) {
  const start = MESSAGE_HEADER_BYTES + headerBytes
  const find = (type: number): Uint8Array | null => findAttribute(message, start, message.length, type)
  return {
    octets: find,
    hostU32: (type: number): number | null => hostU32(find(type)),
    nestedHostU32(type: number, inner: number): number | null {
      const nested = find(type)
      return nested === null ? null : hostU32(findAttribute(nested, 0, nested.length, inner))
    },
    address: (type: number, family: Family): IpAddress | null => addressIn(find(type), family),
    /** struct rtvia: the address's family in host order, then the address. */
    addressWithFamily(type: number): IpAddress | null {
      const via = find(type)
      const family = via === null || via.length < 2 ? null : familyOf(readHostU16(via, 0))
      return via === null || family === null ? null : addressIn(via.subarray(2), family)
    },
  }
}

const hostU32 = (value: Uint8Array | null): number | null =>
  value === null || value.length !== 4 ? null : readHostI32(value, 0) >>> 0

const addressIn = (value: Uint8Array | null, family: Family): IpAddress | null =>
  value === null || value.length !== addressBytes(family) ? null : readAddress(value, 0, family)

const protocolFamily = (family: Family): number => (family === 4 ? AF_INET : AF_INET6)

const familyOf = (protocolFamily: number): Family | null =>
  protocolFamily === AF_INET ? 4 : protocolFamily === AF_INET6 ? 6 : null

function octetsOf(address: IpAddress): Uint8Array {
  const octets = new Uint8Array(addressBytes(address.family))
  writeAddress(octets, 0, address)
  return octets
}
