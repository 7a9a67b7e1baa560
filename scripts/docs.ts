// `npm run docs`: writes the pages that are made from the source. Tests hold them against it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { API_PAGE, apiPage } from './api-doc.ts';
import {
  CONNECTIONS_PAGE,
  connectionsPage,
  OBJECTS_SCHEMA,
  objectsSchemaText,
  SETTINGS_PAGE,
  settingsPage,
} from './settings-doc.ts';

mkdirSync(dirname(OBJECTS_SCHEMA), { recursive: true });
writeFileSync(API_PAGE, apiPage());
writeFileSync(SETTINGS_PAGE, settingsPage());
writeFileSync(CONNECTIONS_PAGE, connectionsPage());
writeFileSync(OBJECTS_SCHEMA, objectsSchemaText());
