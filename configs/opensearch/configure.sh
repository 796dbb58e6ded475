# Runs in the image of OpenSearch before its node starts; fills /conf, the node's folder of configuration.
set -eu
home=/usr/share/opensearch
cp -r "$home/config/." /conf/
cp /etc/opensearch/opensearch.yml /conf/opensearch.yml
mkdir -p /conf/certificates
cp /etc/opensearch/ca.pem /etc/opensearch/node.pem /etc/opensearch-key/node-key.pem /conf/certificates/
chmod 600 /conf/certificates/*
# The image ships demonstration users; only the administrator takes their place, and only until the first start has
# written the users into the store.
hash=$(bash "$home/plugins/opensearch-security/tools/hash.sh" -env MASTER_PASSWORD | tail -n 1)
[ -n "$hash" ] || { echo "the administrator's password could not be hashed" >&2; exit 1; }
cat >/conf/opensearch-security/internal_users.yml <<END
_meta: {type: internalusers, config_version: 2}
$MASTER_USERNAME: {hash: "$hash", reserved: true, backend_roles: [admin]}
END
echo "configured $(hostname)"
