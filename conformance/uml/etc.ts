/** What the guest has in /etc instead of the host's files: the same names on every host, and no DNS. */
export const FIXED_ETC = {
  'nsswitch.conf': 'hosts: files\nservices: files\npasswd: files\ngroup: files\nprotocols: files\n',
  hosts: '127.0.0.1 localhost\n10.0.0.1 director.example director\n192.168.1.1 rs1.example\n',
  services: `echo 7/tcp
ftp 21/tcp
domain 53/tcp
domain 53/udp
http 80/tcp www
https 443/tcp
https 443/udp
sip 5060/tcp
sip 5060/udp
http-alt 8080/tcp webcache
http-alt 8080/udp
`,
} as const
