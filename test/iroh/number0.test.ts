import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { endpointContract } from "../contract/endpoint.ts";

endpointContract("@number0/iroh", makeEndpoint);
