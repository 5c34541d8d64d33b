import type { UplinkTopic } from '../../agent/ports.ts'

const ROOT = 'wattproof/v1'
const NAMES: readonly UplinkTopic[] = ['anchor', 'batch', 'alarm', 'state', 'receipt', 'request']

/** wattproof/v1/<gateway>/<name> (wire contract, section 5) */
export function topicOf(gateway: string, name: UplinkTopic): string {
  return `${ROOT}/${gateway}/${name}`
}

/** The filter for one kind of message of all gateways. */
export function filterOf(name: UplinkTopic): string {
  return `${ROOT}/+/${name}`
}

/** undefined for a topic of another kind. */
export function parseTopic(
  topic: string
): { readonly gateway: string; readonly name: UplinkTopic } | undefined {
  const [root, version, gateway, name, ...rest] = topic.split('/')
  const known = NAMES.find(candidate => candidate === name)
  if (
    `${root}/${version}` !== ROOT ||
    gateway === undefined ||
    gateway === '' ||
    known === undefined ||
    rest.length > 0
  )
    return undefined
  return { gateway, name: known }
}
