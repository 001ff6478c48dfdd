-- Reads the status in the order of kstatus, so that Argo CD and Flux say the same.
local function health(status, message)
  return {status = status, message = message or ""}
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "Its nodes are being released")
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "Waiting for the operator to see this generation")
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end

local reconciling, stalled, ready = conditions.Reconciling, conditions.Stalled, conditions.Ready
if reconciling ~= nil and reconciling.status == "True" then
  return health("Progressing", reconciling.message)
end
if stalled ~= nil and stalled.status == "True" then
  -- Waiting for power is Degraded: Suspended ranks next to Healthy, and would hide a pool that does not run.
  if stalled.reason == "Paused" then
    return health("Suspended", stalled.message)
  end
  return health("Degraded", stalled.message)
end
if ready ~= nil and ready.status == "True" then
  return health("Healthy", ready.message)
end
return health("Progressing", ready ~= nil and ready.message or "Waiting for the first status")
