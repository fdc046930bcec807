import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openApiDocument } from '../../control/openapi.ts'
import { REQUESTS } from '../../control/requests.ts'

interface Operation {
  readonly operationId: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: unknown
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: unknown }>>
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}
const DOCUMENT = openApiDocument(version) as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}
const METHODS = ['get', 'post', 'put', 'delete']
const operations = Object.entries(DOCUMENT.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => method in item).map((method) => ({
    path,
    method,
    shared: (item['parameters'] ?? []) as Operation['parameters'] & {},
    operation: item[method] as Operation,
  })),
)

describe('the OpenAPI document', () => {
  it('is published as docs/openapi.json; vitest --update writes it anew', async () => {
    await expect(`${JSON.stringify(openApiDocument(version), null, 2)}\n`).toMatchFileSnapshot(
      '../../docs/openapi.json',
    )
  })

  it('has one operation for each row of the table, by its name', () => {
    const rows = Object.entries(REQUESTS).map(([name, { method, path }]) => `${name} ${method} ${path}`)
    const described = operations.map(
      ({ path, method, operation }) => `${operation.operationId} ${method.toUpperCase()} ${path}`,
    )
    expect(described.sort()).toEqual(rows.sort())
  })

  it('describes every parameter of a path, and every answer', () => {
    for (const { path, shared, operation } of operations) {
      const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name)
      expect(shared.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(inPath)
      for (const response of Object.values(operation.responses)) expect(response.description).not.toBe('')
    }
  })

  it('says that errors are errors, and that what needs a revision needs it', () => {
    const replace = operations.find(({ operation }) => operation.operationId === 'replaceConfiguration')
    expect(replace?.operation.parameters).toMatchObject([{ name: 'If-Match', in: 'header', required: true }])
    expect(Object.keys(replace?.operation.responses ?? {})).toEqual(
      expect.arrayContaining(['200', '400', '412', '413', '422', '428']),
    )
    for (const { operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue
        const schema = { $ref: '#/components/schemas/ErrorBody' }
        expect(response.content).toEqual({ 'application/json': { schema } })
      }
    }
  })

  it('refers to nothing that it does not have, and has nothing that it does not refer to', () => {
    const refs = Array.from(JSON.stringify(DOCUMENT).matchAll(/"\$ref":"([^"]*)"/g), ([, ref]) => ref)
    const names = Object.keys(DOCUMENT.components.schemas).map((name) => `#/components/schemas/${name}`)
    expect([...new Set(refs)].sort()).toEqual(names.sort())
  })

  it('lets a request leave out what has a default, and leaves nothing out of an answer', () => {
    const { schemas } = DOCUMENT.components as { schemas: Record<string, { required?: string[] }> }
    expect(schemas['DestinationConfigInput']?.required).toEqual(['address', 'port'])
    expect(schemas['DestinationConfig']?.required).toEqual(expect.arrayContaining(['weight', 'tunnel']))
  })
})
