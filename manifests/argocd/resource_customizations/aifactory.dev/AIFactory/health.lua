-- Reads the status in the order of kstatus, so that Argo CD and Flux say the same.
local function health(status, message)
  return {status = status, message = message or ""}
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "Waiting for its last node to go")
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "Waiting for the operator to see this generation")
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end

local reconciling, stalled, ready = conditions.Reconciling, conditions.Stalled, conditions.Ready
local within = conditions.WithinLimits
if reconciling ~= nil and reconciling.status == "True" then
  return health("Progressing", reconciling.message)
end
if stalled ~= nil and stalled.status == "True" then
  -- Paused is meant to be so, unless the site draws more than it may.
  if stalled.reason == "Paused" and (within == nil or within.status ~= "False") then
    return health("Suspended", stalled.message)
  end
  return health("Degraded", stalled.message)
end
if ready ~= nil and ready.status == "True" then
  -- Well, and nothing is done there: worth seeing in the tree.
  if ready.reason == "Paused" then
    return health("Suspended", ready.message ~= "" and ready.message or "The factory is paused")
  end
  return health("Healthy", ready.message)
end
return health("Progressing", ready ~= nil and ready.message or "Waiting for the first status")
