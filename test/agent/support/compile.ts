import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '../../..')

/**
 * Compiles one module with all it imports, once, so that a process that is started many times need not.
 * The output lies under .tap, from where packages are found. @returns path of the module's JavaScript
 */
export function compileOnce(module: string, name: string): string {
  const outDir = join(ROOT, '.tap', name)
  rmSync(outDir, { recursive: true, force: true })
  const read = ts.readConfigFile(join(ROOT, 'tsconfig.json'), path => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent({ ...read.config, include: [], files: [] }, ts.sys, ROOT)
  const program = ts.createProgram([join(ROOT, module)], {
    ...options,
    outDir,
    noCheck: true,
    sourceMap: false
  })
  program.emit()
  return join(outDir, module.replace(/\.ts$/, '.js'))
}
