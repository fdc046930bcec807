/** Persistence and one-packet scheduling of a service: as listings show them, and as the options that make them. */

import type { Service } from '../control/index.ts'

/** ` persistent 300 mask 255.255.255.0 pe sip ops`, or of it what the service has. */
export function formatPersistence(service: Service): string {
  const { persistentSeconds, engine, onePacket } = service
  const persistence = persistentSeconds === null ? '' : ` persistent ${persistentSeconds}`
  const engineShown = persistentSeconds === null || engine === null ? '' : ` pe ${engine}`
  return `${persistence}${mask('mask', service)}${engineShown}${onePacket ? ' ops' : ''}`
}

/** ` -p 300 -M 255.255.255.0 --pe sip -o`, or of it what the service has. An engine is saved without persistence too. */
export function persistenceOptions(service: Service): string {
  const { persistentSeconds, engine, onePacket } = service
  const persistence = persistentSeconds === null ? '' : ` -p ${persistentSeconds}`
  const engineSaved = engine === null ? '' : ` --pe ${engine}`
  return `${persistence}${mask('-M', service)}${engineSaved}${onePacket ? ' -o' : ''}`
}

/** The netmask behind `word`; nothing where it is the default or there is nothing for it to tell apart. */
const mask = (word: string, { persistentSeconds, netmask }: Service): string =>
  persistentSeconds === null || netmask === null || netmask === '255.255.255.255' || netmask === 128
    ? ''
    : ` ${word} ${netmask}`
