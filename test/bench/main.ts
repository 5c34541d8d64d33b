/** `npm run bench -- NAME [ARGS]`: measurements; every figure in README comes from one of these. */
const BENCHES: Readonly<Record<string, () => Promise<{ run(args: readonly string[]): Promise<number> }>>> = {
  bus: () => import('./bus.ts'),
  checks: () => import('./checks.ts'),
  core: () => import('./core.ts')
}

const [name, ...args] = process.argv.slice(2)
if (name === undefined || name === '--help' || name === '-h') {
  console.log(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [flags]   (each has --help)`)
  process.exitCode = name === undefined ? 2 : 0
} else {
  const load = BENCHES[name]
  if (load) process.exitCode = await (await load()).run(args)
  else {
    console.error(`there is no bench called ${name}: ${Object.keys(BENCHES).join(', ')}`)
    process.exitCode = 2
  }
}
