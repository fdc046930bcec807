import { describe, expect, it } from 'vitest'
import { complaints, DEMO_SERVICES, REQUESTS } from '../support/demo/services.ts'

const [nat, dr, tun] = DEMO_SERVICES as [
  (typeof DEMO_SERVICES)[0],
  (typeof DEMO_SERVICES)[0],
  (typeof DEMO_SERVICES)[0],
]
const answers = (rs1: number, rs2: number, rs3: number) =>
  new Map([
    ['rs1', rs1],
    ['rs2', rs2],
    ['rs3', rs3],
  ])

describe('complaints of the demonstration', () => {
  it('has none when every real server answered its share', () => {
    expect(complaints({ service: nat, byServer: answers(20, 20, 20), failed: 0 })).toEqual([])
    expect(complaints({ service: dr, byServer: answers(30, 20, 10), failed: 0 })).toEqual([])
    expect(complaints({ service: tun, byServer: answers(19, 22, 19), failed: 0 })).toEqual([])
  })

  it('tells of failed requests', () => {
    const found = complaints({ service: nat, byServer: answers(20, 20, 17), failed: 3 })
    expect(found).toEqual([`NAT: 3 of ${REQUESTS} requests failed`])
  })

  it('tells of a real server without an answer', () => {
    expect(
      complaints({
        service: tun,
        byServer: new Map([
          ['rs1', 30],
          ['rs2', 30],
        ]),
        failed: 0,
      }),
    ).toEqual(['TUN: rs3 answered nothing'])
  })

  it('tells of a share that the scheduler cannot have given', () => {
    expect(complaints({ service: nat, byServer: answers(21, 19, 20), failed: 0 })).toEqual([
      'NAT: rr sent rs1 21 requests, not 20',
      'NAT: rr sent rs2 19 requests, not 20',
    ])
  })

  it('tells of an answer that no real server gives', () => {
    const byServer = new Map([...answers(20, 20, 20), ['<html>', 1]])
    expect(complaints({ service: nat, byServer, failed: 0 })).toEqual(["NAT: an answer says '<html>'"])
  })
})
