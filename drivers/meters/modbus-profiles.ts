import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { isWattproofError } from '../../proto/errors.ts'
import { replayGolden } from '../../proto/modbus/golden.ts'
import { compileProfile, itemsOf, type MeterProfile } from '../../proto/modbus/profile.ts'
import type { ProfileSource } from '../../proto/modbus/profile-source.ts'
import { ProfileError } from './modbus-errors.ts'

/** One line of `profile list`. */
export interface ProfileSummary {
  readonly name: string
  readonly maker: string
  readonly models: readonly string[]
  readonly confidence: string
  readonly side: 'primary' | 'secondary'
  readonly function: number
  readonly order: string
  readonly items: readonly string[]
  /** exchanges that are replayed, and how many of their values hold */
  readonly golden: { readonly exchanges: number; readonly values: number; readonly holding: number }
  readonly source: string
  readonly notes: string | null
}

let validator: ValidateFunction | undefined
const compiled = new Map<string, MeterProfile>()

/**
 * A profile by the name of a built-in one or by the path of a YAML file (anything with a slash, or ending in .yaml or .yml).
 * Built-in profiles are read once; files each time, so that an edited file counts at the next start of a reader.
 * @throws ProfileError naming file, line and column
 */
export function loadProfile(nameOrFile: string): MeterProfile {
  if (isFile(nameOrFile)) return readProfile(nameOrFile)
  const known = compiled.get(nameOrFile)
  if (known) return known
  const file = join(profileFolder(), `${nameOrFile}.yaml`)
  if (!/^[a-z0-9-]+$/.test(nameOrFile) || !existsSync(file))
    throw new ProfileError('PROFILE_UNKNOWN', `no Modbus profile is called ${JSON.stringify(nameOrFile)}`, {
      next: 'wattproof profile list names them; a file is given with its path'
    })
  const profile = readProfile(file)
  compiled.set(nameOrFile, profile)
  return profile
}

/** Names of the built-in profiles, sorted. */
export function profileNames(): string[] {
  const files = readdirSync(profileFolder()).filter(file => file.endsWith('.yaml'))
  return files.map(file => file.slice(0, -'.yaml'.length)).sort()
}

/** All built-in profiles, for `profile list`. */
export function listProfiles(): ProfileSummary[] {
  return profileNames().map(name => summariseProfile(loadProfile(name)))
}

/** What `profile list` and `profile check FILE` show; replays the golden exchanges. */
export function summariseProfile(profile: MeterProfile): ProfileSummary {
  const findings = replayGolden(profile)
  return {
    name: profile.name,
    maker: profile.maker,
    models: profile.models,
    confidence: profile.confidence,
    side: profile.side,
    function: profile.function,
    order: profile.order,
    items: itemsOf(profile).map(item => item.key),
    golden: {
      exchanges: profile.golden.length,
      values: findings.length,
      holding: findings.filter(finding => finding.holds).length
    },
    source: profile.source,
    notes: profile.notes ?? null
  }
}

function isFile(nameOrFile: string): boolean {
  return nameOrFile.includes('/') || /\.ya?ml$/.test(nameOrFile)
}

function readProfile(file: string): MeterProfile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ProfileError('PROFILE_UNREADABLE', 'the profile cannot be read', { at: file, cause })
  }
  return parseProfile(text, file)
}

/**
 * Reads a profile from YAML: syntax, shape by the schema, then meaning.
 * @param file name for messages
 * @throws ProfileError at "file:line:column"
 */
export function parseProfile(text: string, file: string): MeterProfile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [fault] = document.errors
  if (fault) {
    const { line, col } = lines.linePos(fault.pos[0])
    const what = fault.message.split('\n')[0] as string
    throw new ProfileError('PROFILE_SYNTAX', what, { at: `${file}:${line}:${col}` })
  }
  const source: unknown = document.toJS()
  const validate = schemaValidator()
  if (!validate(source)) {
    const error = validate.errors?.find(entry => entry.keyword !== 'oneOf') as ErrorObject
    const unknown = error.params['additionalProperty']
    const path = error.instancePath + (typeof unknown === 'string' ? `/${unknown}` : '')
    const what = typeof unknown === 'string' ? `unknown key ${JSON.stringify(unknown)}` : describe(error)
    throw new ProfileError('PROFILE_INVALID', what, { at: placeOf(document, lines, file, path) })
  }
  try {
    return compileProfile(source as ProfileSource)
  } catch (cause) {
    if (!isWattproofError(cause)) throw cause
    throw new ProfileError('PROFILE_INVALID', cause.message, {
      at: placeOf(document, lines, file, cause.at ?? ''),
      ...(cause.next === undefined ? {} : { next: cause.next }),
      cause
    })
  }
}

function describe(error: ErrorObject): string {
  const allowed = error.params['allowedValues']
  const where = error.instancePath || 'the profile'
  return `${where} ${error.message ?? 'is not valid'}${Array.isArray(allowed) ? `: ${allowed.join(', ')}` : ''}`
}

/** "file:line:column" of a path such as "/registers/3/unit", or of the nearest key above it. */
function placeOf(document: Document, lines: LineCounter, file: string, path: string): string {
  const steps = path
    .split('/')
    .slice(1)
    .map(step => (/^\d+$/.test(step) ? Number(step) : step))
  for (let depth = steps.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(steps.slice(0, depth), true)
    if (!isNode(node) || !node.range) continue
    const { line, col } = lines.linePos(node.range[0])
    return `${file}:${line}:${col}${path === '' ? '' : ` ${path}`}`
  }
  return file
}

function schemaValidator(): ValidateFunction {
  validator ??= new Ajv({ allowUnionTypes: true }).compile(
    JSON.parse(readFileSync(join(metersFolder(), 'modbus.schema.json'), 'utf8'))
  )
  return validator
}

function profileFolder(): string {
  return join(metersFolder(), 'modbus')
}

/** config/meters of the package, from the sources as well as from dist/. */
function metersFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'config', 'meters', 'modbus.schema.json'))) {
    const above = dirname(folder)
    if (above === folder)
      throw new ProfileError('PROFILE_UNREADABLE', 'config/meters is missing from the installation', {
        next: 'install the package again'
      })
    folder = above
  }
  return join(folder, 'config', 'meters')
}
