#!/usr/bin/env node
import { packageVersion } from '../config/locate.ts'
import { runProgram } from './cli/program.ts'
import { VERBS } from './cli/verbs.ts'

const ended = new AbortController()
const stop = () => ended.abort(new Error('stopped by a signal'))
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
// a reader that went away (head, a closed pager) is no error of ours
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
})

async function readStdin(): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

process.exitCode = await runProgram(VERBS, {
  argv: process.argv.slice(2),
  env: process.env,
  version: packageVersion(),
  signal: ended.signal,
  readStdin
})
