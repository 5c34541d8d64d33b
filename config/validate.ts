import { Ajv, type ErrorObject } from 'ajv'
import type { ConfigProblem } from './errors.ts'
import type { YamlSource } from './yaml-source.ts'

/**
 * Checks a YAML source against a JSON Schema and gives all problems with their line and column.
 * Defaults of the schema are filled into the source's value.
 */
export function validateSource(source: YamlSource, schema: object): ConfigProblem[] {
  if (source.problems.length > 0) return [...source.problems]
  const ajv = new Ajv({
    allErrors: true,
    useDefaults: true,
    allowUnionTypes: true,
    verbose: true,
    strict: false
  })
  const validate = ajv.compile(schema)
  if (validate(source.value)) return []
  const errors = (validate.errors ?? []).filter(error => error.keyword !== 'oneOf')
  return errors.map(error => toProblem(source, error))
}

function toProblem(source: YamlSource, error: ErrorObject): ConfigProblem {
  const path: (string | number)[] = error.instancePath
    .split('/')
    .slice(1)
    .map(step => step.replace(/~1/g, '/').replace(/~0/g, '~'))
  const params = error.params as Record<string, unknown>
  if (error.keyword === 'additionalProperties') {
    const key = String(params['additionalProperty'])
    const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
    const near = nearest(key, known)
    return {
      file: source.file,
      ...source.place([...path, key], true),
      key: [...path, key].join('.'),
      message: 'unknown key',
      next: near ? `did you mean ${JSON.stringify(near)}?` : `known here: ${known.join(', ')}`
    }
  }
  const place = source.place(path)
  const key = path.join('.')
  if (error.keyword === 'required') {
    const missing = String(params['missingProperty'])
    return {
      file: source.file,
      ...place,
      key: [...path, missing].join('.'),
      message: 'missing',
      next: `add ${missing}: here`
    }
  }
  const hint = describe(error)
  return { file: source.file, ...place, key, message: hint.message, next: hint.next }
}

function describe(error: ErrorObject): { message: string; next: string } {
  const params = error.params as Record<string, unknown>
  const got = error.data === undefined ? '' : `, not ${clip(JSON.stringify(error.data))}`
  const about = error.parentSchema?.['description']
  const next = typeof about === 'string' ? about : 'see wattproof config schema'
  switch (error.keyword) {
    case 'enum':
      return { message: `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}${got}`, next }
    case 'type': {
      const kinds = Array.isArray(params['type']) ? params['type'].join(' or ') : String(params['type'])
      return { message: `must be ${kinds}${got}`, next }
    }
    case 'pattern':
      return { message: `does not have the right form${got}`, next }
    default:
      return { message: `${error.message ?? 'is not valid'}${got}`, next }
  }
}

const clip = (text: string) => (text.length > 40 ? `${text.slice(0, 37)}...` : text)

function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = 3
  for (const candidate of known) {
    const d = distance(word.toLowerCase(), candidate.toLowerCase())
    if (d < least) {
      least = d
      best = candidate
    }
  }
  return best
}

/** Levenshtein distance, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, swap))
    }
    row = next
  }
  return row[b.length] as number
}
