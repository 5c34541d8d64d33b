import { isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml'
import type { ConfigProblem } from './errors.ts'

/** A YAML text with the means to name the line and column of any of its keys. */
export interface YamlSource {
  readonly file: string
  readonly value: unknown
  readonly problems: readonly ConfigProblem[]
  /** The place of a key path; with `onKey` that of the key itself instead of its value. */
  place(path: readonly (string | number)[], onKey?: boolean): { line: number; column: number }
}

/** Faults of syntax shown at the most: most of those behind the first follow from it. */
const MAX_SYNTAX_PROBLEMS = 3

function firstOfLines<Fault>(faults: readonly Fault[], lineOf: (fault: Fault) => number): Fault[] {
  const lines = new Map<number, Fault>()
  for (const fault of faults) if (!lines.has(lineOf(fault))) lines.set(lineOf(fault), fault)
  return [...lines.values()].slice(0, MAX_SYNTAX_PROBLEMS)
}

/** Parses YAML without tags or aliases to files; syntax errors become problems with line and column. */
export function parseYamlSource(text: string, file: string): YamlSource {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, strict: true, merge: false })
  const at = (offset: number | undefined) => {
    if (offset === undefined) return { line: 0, column: 0 }
    const { line, col } = counter.linePos(offset)
    return { line, column: col }
  }
  const problems: ConfigProblem[] = firstOfLines(document.errors, error => at(error.pos[0]).line).map(
    error => ({
      file,
      ...at(error.pos[0]),
      key: '',
      message: (error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, ''),
      next: 'mend the YAML there'
    })
  )
  if (problems.length === 0 && document.contents === null) {
    const next = 'start from config/gateway.example.yaml'
    problems.push({ file, line: 1, column: 1, key: '', message: 'the file is empty', next })
  }
  const place = (path: readonly (string | number)[], onKey = false) => {
    let node: Node | ParsedNode | null | undefined = document.contents
    let offset = node?.range?.[0]
    path.forEach((step, depth) => {
      if (isMap(node)) {
        const pair = node.items.find(item => isScalar(item.key) && String(item.key.value) === String(step))
        if (!pair) {
          node = undefined
          return
        }
        const key = pair.key as Node
        const value = pair.value as Node | null
        const wantsKey = onKey && depth === path.length - 1
        offset = (wantsKey ? key.range?.[0] : (value?.range?.[0] ?? key.range?.[0])) ?? offset
        node = value
      } else if (isSeq(node)) {
        node = node.items[Number(step)] as Node | undefined
        offset = node?.range?.[0] ?? offset
      }
    })
    return at(offset)
  }
  return {
    file,
    value: problems.length > 0 ? undefined : document.toJS({ maxAliasCount: 100 }),
    problems,
    place
  }
}
