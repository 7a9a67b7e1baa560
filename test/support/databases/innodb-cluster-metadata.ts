// What MySQL Shell writes into an InnoDB Cluster, for MySQL Router to find its members by. Debian has no Shell; this is the part
// of its schema that the Router asks for.
import { randomUUID } from 'node:crypto';
import type { DatabaseServer } from './database-server.ts';

/** Version 2.2.0 of it. */
export const CLUSTER_METADATA = `
  CREATE DATABASE mysql_innodb_cluster_metadata DEFAULT CHARACTER SET utf8mb4;
  USE mysql_innodb_cluster_metadata;
  CREATE VIEW schema_version (major, minor, patch) AS SELECT 2, 2, 0;
  CREATE TABLE clusters (cluster_id CHAR(36) CHARACTER SET ascii PRIMARY KEY, cluster_name VARCHAR(63), description TEXT,
    options JSON, attributes JSON, cluster_type ENUM('gr', 'ar') NOT NULL, primary_mode ENUM('pm', 'mm') NOT NULL DEFAULT 'pm',
    router_options JSON, clusterset_id CHAR(36) CHARACTER SET ascii);
  CREATE TABLE instances (instance_id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, cluster_id CHAR(36) CHARACTER SET ascii,
    address VARCHAR(265) CHARACTER SET ascii, mysql_server_uuid CHAR(36) CHARACTER SET ascii, instance_name VARCHAR(265),
    addresses JSON NOT NULL, attributes JSON, description TEXT);
  CREATE TABLE clustersets (clusterset_id CHAR(36) CHARACTER SET ascii PRIMARY KEY, domain_name VARCHAR(63), router_options JSON,
    attributes JSON);
  CREATE TABLE clusterset_members (clusterset_id CHAR(36) CHARACTER SET ascii, cluster_id CHAR(36) CHARACTER SET ascii,
    view_id INT UNSIGNED, member_role ENUM('PRIMARY', 'REPLICA'), invalidated BOOL, PRIMARY KEY (clusterset_id, cluster_id, view_id));
  CREATE TABLE routers (router_id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, router_name VARCHAR(265) NOT NULL,
    product_name VARCHAR(128) NOT NULL, address VARCHAR(256), version VARCHAR(12), last_check_in TIMESTAMP NULL, attributes JSON,
    cluster_id CHAR(36) CHARACTER SET ascii, options JSON, clusterset_id CHAR(36) CHARACTER SET ascii, UNIQUE (address, router_name));
  CREATE TABLE router_rest_accounts (cluster_id CHAR(36) CHARACTER SET ascii NOT NULL, user VARCHAR(256) NOT NULL,
    authentication_method VARCHAR(64) NOT NULL DEFAULT 'modular_crypt_format', authentication_string TEXT, description VARCHAR(255),
    privileges JSON, attributes JSON, PRIMARY KEY (cluster_id, user));
  CREATE TABLE router_stats (router_id INT UNSIGNED PRIMARY KEY, last_check_in TIMESTAMP NULL);
  CREATE VIEW v2_clusters AS SELECT cluster_type, primary_mode, cluster_id, cluster_name, router_options FROM clusters;
  CREATE VIEW v2_gr_clusters AS SELECT cluster_type, primary_mode, cluster_id, cluster_name,
    attributes->>'$.group_replication_group_name' AS group_name, attributes, options->'$.tags' AS tags,
    router_options FROM clusters WHERE cluster_type = 'gr';
  CREATE VIEW v2_ar_clusters AS SELECT 0 AS view_id, cluster_type, primary_mode, cluster_id, cluster_name, attributes
    FROM clusters WHERE cluster_type = 'ar';
  CREATE VIEW v2_instances AS SELECT instance_id, cluster_id, instance_name AS label, mysql_server_uuid, address,
    addresses->>'$.mysqlClassic' AS endpoint, addresses->>'$.mysqlX' AS xendpoint, attributes FROM instances;
  CREATE VIEW v2_ar_members AS SELECT 0 AS view_id, cluster_id, instance_id, mysql_server_uuid AS member_id, 'PRIMARY' AS member_role
    FROM instances WHERE FALSE;
  CREATE VIEW v2_this_instance AS SELECT i.cluster_id, i.instance_id, c.cluster_name, c.cluster_type
    FROM v2_instances i JOIN clusters c ON i.cluster_id = c.cluster_id WHERE i.mysql_server_uuid =
      (SELECT variable_value FROM performance_schema.global_variables WHERE variable_name = 'server_uuid');
  CREATE VIEW v2_cs_members AS SELECT clusterset_id, view_id, cluster_id, member_role, invalidated FROM clusterset_members;
  CREATE VIEW v2_cs_clustersets AS SELECT 1 AS view_id, clusterset_id, domain_name, attributes FROM clustersets;
  CREATE VIEW v2_cs_router_options AS SELECT NULL AS router_id, clusterset_id, router_options FROM clustersets;
  CREATE VIEW v2_router_options AS SELECT r.router_id, r.cluster_id, r.clusterset_id, c.router_options
    FROM routers r LEFT JOIN clusters c ON r.cluster_id = c.cluster_id;
  CREATE VIEW v2_routers AS SELECT * FROM routers;
  CREATE VIEW v2_router_rest_accounts AS SELECT * FROM router_rest_accounts;
`;

export type ClusterDescription = { readonly groupName: string; readonly members: readonly DatabaseServer[] };

export async function describeCluster(
  primary: DatabaseServer,
  { groupName, members }: ClusterDescription,
): Promise<void> {
  const id = randomUUID();
  await primary.rootQuery(
    "INSERT INTO mysql_innodb_cluster_metadata.clusters (cluster_id, cluster_name, cluster_type, attributes) VALUES (?, 'thinman', 'gr', ?)",
    [id, JSON.stringify({ group_replication_group_name: groupName })],
  );
  for (const member of members) {
    const address = `${member.host}:${member.port}`;
    const [row] = await member.rootQuery('SELECT @@server_uuid AS uuid');
    await primary.rootQuery(
      `INSERT INTO mysql_innodb_cluster_metadata.instances (cluster_id, address, mysql_server_uuid, instance_name, addresses, attributes)
       VALUES (?, ?, ?, ?, ?, '{}')`,
      [id, address, row?.uuid, address, JSON.stringify({ mysqlClassic: address })],
    );
  }
}
