// Names below "localhost" are this machine (RFC 6761, 6.3). Not every resolver knows; with this file preloaded, Node does.
const dns = require('node:dns')
const real = dns.lookup
dns.lookup = (name, options, done) => {
  if (!/\.localhost$/.test(name)) return real(name, options, done)
  const found = typeof options === 'function' ? options : done
  if (options?.all) found(null, [{ address: '127.0.0.1', family: 4 }])
  else found(null, '127.0.0.1', 4)
}
