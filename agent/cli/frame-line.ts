import type { Text } from './text.ts'

type Document = Readonly<Record<string, unknown>>

const MOST_VALUES = 4

/** One line about a frame, from its document (see `wattproof decode --json`). */
export function frameLine(document: Document): Text {
  if (typeof document['error'] === 'string') return [document['error'], document['error']]
  return document['protocol'] === 'modbus-rtu' ? modbusLine(document) : dlt645Line(document)
}

function dlt645Line(document: Document): Text {
  const address = String(document['address'])
  const what = [document['function'], document['di']].filter(part => part !== undefined).join(' ')
  if (document['direction'] === 'request') return [`${address} ${what}?`, `${address} ${what} 请求`]
  if (document['abnormal'] === true) {
    const word = String(document['errorWord'] ?? '')
    const bits = Array.isArray(document['errorBits']) ? document['errorBits'].join(', ') : ''
    return [`${address} refuses ${what}: ${word} ${bits}`.trimEnd(), `${address} 异常应答 ${what}:${word}`]
  }
  const said = [valuesText(document['values']), document['meterAddress'], document['followUp'] ? '…' : '']
    .filter(part => part !== undefined && part !== '')
    .join(' ')
  const tail = said === '' ? '' : `: ${said}`
  return [`${address} answers ${what}${tail}`, `${address} 应答 ${what}${tail}`]
}

function modbusLine(document: Document): Text {
  const unit = String(document['unit'])
  const what = String(document['functionName'] ?? `function ${document['function']}`)
  const place = document['addressHex'] === undefined ? '' : ` 0x${document['addressHex']}`
  const count = document['count'] === undefined ? '' : ` x${document['count']}`
  if (document['direction'] === 'request')
    return [`unit ${unit} ${what}${place}${count}?`, `从站 ${unit} ${what}${place}${count} 请求`]
  if (document['exception'] !== undefined) {
    const why = `${document['exception']} ${document['exceptionName']}`
    return [`unit ${unit} refuses ${what}: exception ${why}`, `从站 ${unit} 异常应答 ${what}:${why}`]
  }
  const words = Array.isArray(document['words']) ? `: ${document['words'].join(' ')}` : `${place}${count}`
  return [`unit ${unit} answers ${what}${words}`, `从站 ${unit} 应答 ${what}${words}`]
}

/** The first values of an answer: "123.45 kWh, 10.00 kWh …". */
function valuesText(values: unknown): string {
  if (typeof values !== 'object' || values === null) return ''
  const texts = Object.values(values).flatMap(value => {
    if (typeof value !== 'object' || value === null || !('value' in value)) return []
    const unit = 'unit' in value ? ` ${value.unit}` : ''
    return [`${value.value ?? '-'}${unit}`.trimEnd()]
  })
  const more = texts.length > MOST_VALUES ? ' …' : ''
  return texts.slice(0, MOST_VALUES).join(', ') + more
}
