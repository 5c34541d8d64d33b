// Who may import whom: proto computes, drivers touch, agent decides (ARCHITECTURE.md).
const door = (pkg, file) => ({
  name: `one-door:${pkg}`,
  severity: 'error',
  from: { pathNot: `${file}|^test/` },
  to: { path: `^node_modules/${pkg}(/|$)` }
})
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'proto-computes',
      severity: 'error',
      from: { path: '^proto/' },
      to: { pathNot: '^proto/|^node_modules/(sm-crypto|@noble|cborg)/|^node:|^(crypto|zlib)$' }
    },
    {
      name: 'crypto-in-one-place',
      severity: 'error',
      from: { path: '^proto/', pathNot: '^proto/crypto/' },
      to: { path: '^node_modules/(sm-crypto|@noble)/|^(crypto|node:)' }
    },
    {
      name: 'drivers-see-ports',
      severity: 'error',
      from: { path: '^drivers/' },
      to: { path: '^(agent|config)/', pathNot: '^agent/ports\\.ts$' }
    },
    {
      name: 'drivers-own-folder',
      severity: 'error',
      from: { path: '^drivers/([^/]+)/' },
      to: { path: '^drivers/', pathNot: '^drivers/($1|bus|errors\\.ts)(/|$)' }
    },
    {
      name: 'compose-alone-touches',
      severity: 'error',
      from: { path: '^agent/', pathNot: '^agent/compose/' },
      to: { path: '^drivers/' }
    },
    {
      name: 'stages-meet-in-store',
      severity: 'error',
      from: { path: '^agent/(acquire|check|seal|deliver|anchor|audit|ledger)/' },
      to: { path: '^agent/', pathNot: '^agent/($1/|ports\\.ts$)' }
    },
    door('serialport', '^drivers/bus/'),
    door('modbus-serial', '^drivers/meters/modbus'),
    door('better-sqlite3', '^drivers/store/'),
    door('mqtt', '^drivers/uplink/'),
    door('aedes', '^drivers/uplink/'),
    door('prom-client', '^drivers/metrics/'),
    door('pino', '^drivers/host/'),
    door('node-cron', '^drivers/schedule/'),
    door('koffi', '^drivers/(host|bus|simulator)/'),
    door('commander', '^agent/cli/'),
    door('sm-crypto', '^proto/crypto/')
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' }
  }
}
