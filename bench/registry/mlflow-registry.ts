import type { Registry } from "./beside-mlflow.ts";
import type { MlflowServer } from "./mlflow-server.ts";

/** The same deeds and questions by MLflow's REST interface. */
export function createMlflowRegistry({ call }: MlflowServer): Registry {
  const models = new Map<string, Promise<unknown>>();
  const ensureModel = (name: string): Promise<unknown> => {
    const known = models.get(name) ?? call("POST", "registered-models/create", { name });
    models.set(name, known);
    return known;
  };
  return {
    register: async (model, number) => {
      await ensureModel(model);
      const source = `s3://bench/${model}/${number}`;
      const { model_version: made } = (await call("POST", "model-versions/create", { name: model, source })) as {
        model_version: { version: string };
      };
      return Number(made.version);
    },
    setAlias: async (model, number, alias) => {
      await call("POST", "registered-models/alias", { name: model, alias, version: String(number) });
    },
    search: async (model) => {
      const asked = { filter: `name = '${model}'`, max_results: "50" };
      const { model_versions: found } = (await call("GET", "model-versions/search", asked)) as {
        model_versions: unknown[];
      };
      return found.length;
    },
    getByAlias: async (model, alias) => {
      await call("GET", "registered-models/alias", { name: model, alias });
    },
  };
}
