#!/usr/bin/env node
import("./cli/main.ts").then(m => m.main());
